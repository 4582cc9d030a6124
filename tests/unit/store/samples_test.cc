#include <cmath>
#include <limits>

#include "store_fixture.h"

namespace qeval {
namespace {

using Samples = StoreTest;

Sample sample(int64_t doc_id) {
  Sample out;
  out.doc_id = doc_id;
  out.doc = {{"question", "What is " + std::to_string(doc_id) + "?"}, {"n", doc_id}};
  out.doc_hash = "hash" + std::to_string(doc_id);
  out.target = "B";
  out.references = {"B", "b"};
  out.choices = {"one", "two"};
  out.gold = {1};
  out.multiple_inputs = true;
  for (const char* choice : {" one", " two"}) {
    Request request;
    request.kind = RequestKind::loglikelihood;
    request.prompt = "Question " + std::to_string(doc_id);
    request.continuation = choice;
    out.requests.push_back(request);
  }
  return out;
}

Score score(const std::string& filter, FailureClass failure_class, double value) {
  Score out;
  out.filter = filter;
  out.extracted = "found \xff";
  out.failure_class = failure_class;
  out.explanation = "because";
  out.metrics = {{"acc", value}, {"acc_norm", -0.0}};
  out.details = {{"exit", 1}};
  return out;
}

TEST_F(Samples, ComeBackInDocOrderAsTheyWere) {
  auto store = open(path_);
  RunId run = begin(*store);
  for (int64_t doc_id : {70, 3, 50, 1}) ASSERT_TRUE(store->put_sample(run, "task", sample(doc_id)));
  std::vector<SampleRecord> back = samples(*store, run);
  ASSERT_EQ(back.size(), 4u);
  std::vector<int64_t> ids;
  for (const SampleRecord& record : back) ids.push_back(record.doc_id);
  EXPECT_EQ(ids, (std::vector<int64_t>{1, 3, 50, 70}));
  Sample expected = sample(3), got = sample_from_record(back[1]);
  EXPECT_EQ(got.doc, expected.doc);
  EXPECT_EQ(got.doc_hash, expected.doc_hash);
  EXPECT_EQ(got.target, expected.target);
  EXPECT_EQ(got.references, expected.references);
  EXPECT_EQ(got.choices, expected.choices);
  EXPECT_EQ(got.gold, expected.gold);
  EXPECT_TRUE(got.multiple_inputs);
  ASSERT_EQ(got.requests.size(), 2u);
  for (size_t i = 0; i < 2; ++i) expect_same(got.requests[i], expected.requests[i]);
  ASSERT_EQ(back[1].responses.size(), 2u);
  EXPECT_EQ(back[1].responses[0].finish, FinishReason::failed);
  EXPECT_EQ(back[1].responses[0].failure, EngineFailure::unsupported);
}

TEST_F(Samples, AnswersAndDocsComeInAnyOrder) {
  auto store = open(path_);
  RunId run = begin(*store);
  Sample one = sample(1);
  ASSERT_TRUE(store->put_response(run, {"task", 1, 1}, "k1", one.requests[1], answer("early")));
  EXPECT_TRUE(samples(*store, run).at(0).sample.is_null());
  EXPECT_EQ(samples(*store, run).at(0).responses.at(0).failure, EngineFailure::unsupported);
  ASSERT_TRUE(store->put_sample(run, "task", one));
  ASSERT_TRUE(store->put_sample(run, "task", one));
  SampleRecord back = samples(*store, run).at(0);
  EXPECT_EQ(json_string(back.sample, "target"), "B");
  ASSERT_EQ(back.responses.size(), 2u);
  EXPECT_EQ(back.responses[1].text, "early");
  EXPECT_EQ(back.responses[0].finish, FinishReason::failed);
}

TEST_F(Samples, DocsAreStoredOnceAcrossRuns) {
  auto store = open(path_);
  RunId first = begin(*store, "a"), second = begin(*store, "b");
  for (RunId run : {first, second})
    for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(store->put_sample(run, "task", sample(i)));
  StoreCheck check = checked(*store);
  EXPECT_TRUE(check.ok);
  EXPECT_EQ(check.counts["docs"], 10);
  EXPECT_EQ(check.counts["samples"], 20);
  EXPECT_EQ(check.counts["requests"], 20);
}

TEST_F(Samples, ScoresKeepTheirHistory) {
  auto store = open(path_);
  RunId run = begin(*store);
  ASSERT_TRUE(store->put_sample(run, "task", sample(1)));
  std::vector<Score> first = {score("strict", FailureClass::no_answer, 0), score("flexible", FailureClass::correct, 1)};
  std::vector<Score> second = {score("strict", FailureClass::correct, std::nan(""))};
  ASSERT_TRUE(store->put_scores(run, "task", 1, 1, first, "bubblewrap"));
  ASSERT_TRUE(store->put_scores(run, "task", 1, 1, first, "bubblewrap"));
  ASSERT_TRUE(store->put_scores(run, "task", 1, 2, second, ""));
  SampleRecord back = samples(*store, run).at(0);
  EXPECT_EQ(back.scorer_version, 2);
  EXPECT_EQ(back.backend, "");
  ASSERT_EQ(back.scores.size(), 1u);
  EXPECT_EQ(back.scores[0].failure_class, FailureClass::correct);
  EXPECT_TRUE(std::isnan(back.scores[0].metrics.at(0).second));
  auto history = store->score_history(run, "task", 1);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 2u) << "the same scores again are no new version";
  const ScoreVersion& old = history->at(0);
  EXPECT_FALSE(old.current);
  EXPECT_TRUE(history->at(1).current);
  EXPECT_EQ(old.scorer_version, 1);
  EXPECT_EQ(old.backend, "bubblewrap");
  ASSERT_EQ(old.scores.size(), 2u);
  EXPECT_EQ(old.scores[0].filter, "strict");
  EXPECT_EQ(old.scores[0].extracted, "found \xff");
  EXPECT_EQ(old.scores[0].explanation, "because");
  EXPECT_EQ(old.scores[0].details, (Json{{"exit", 1}}));
  EXPECT_EQ(old.scores[1].metrics.at(0), (std::pair<std::string, double>("acc", 1)));
  EXPECT_TRUE(std::signbit(old.scores[1].metrics.at(1).second));
}

TEST_F(Samples, CurrentScoresAreThoseOfEveryDoc) {
  auto store = open(path_);
  RunId run = begin(*store);
  for (int64_t i = 0; i < 1100; ++i) {
    ASSERT_TRUE(store->put_scores(run, "task", i, 1, {score("none", FailureClass::wrong_answer, 0)}, ""));
    if (i % 2) {
      ASSERT_TRUE(store->put_scores(run, "task", i, 2, {score("none", FailureClass::correct, 1)}, ""));
    }
  }
  ASSERT_TRUE(store->put_sample(run, "task", sample(5000)));
  auto scores = store->current_scores(run, "task");
  ASSERT_TRUE(scores);
  ASSERT_EQ(scores->size(), 1101u);
  for (int64_t i = 0; i < 1100; ++i) {
    ASSERT_EQ(scores->at(static_cast<size_t>(i)).first, i);
    EXPECT_EQ(scores->at(static_cast<size_t>(i)).second.at(0).metrics[0].second, static_cast<double>(i % 2));
  }
  EXPECT_TRUE(scores->back().second.empty());
}

TEST_F(Samples, AVisitorMayStopAndMayWrite) {
  auto store = open(path_);
  RunId run = begin(*store);
  for (int64_t i = 0; i < 100; ++i) ASSERT_TRUE(store->put_sample(run, "task", sample(i)));
  int n = 0;
  ASSERT_TRUE(store->for_each_sample(run, "task", [&](SampleRecord&& record) {
    EXPECT_TRUE(store->put_scores(run, "task", record.doc_id, 1, {score("none", FailureClass::correct, 1)}, ""));
    return ++n < 40;
  }));
  EXPECT_EQ(n, 40);
  int scored = 0;
  for (const SampleRecord& record : samples(*store, run)) scored += !record.scores.empty();
  EXPECT_EQ(scored, 40);
  EXPECT_TRUE(samples(*store, run, "no such task").empty());
}

}  // namespace
}  // namespace qeval
