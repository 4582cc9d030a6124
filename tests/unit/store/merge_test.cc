#include <fmt/format.h>

#include "store_fixture.h"

namespace qeval {
namespace {

class Merge : public StoreTest {
 protected:
  static Sample sample(int64_t doc_id) {
    Sample out;
    out.doc_id = doc_id;
    out.doc = {{"n", doc_id}};
    out.requests = {request("q" + std::to_string(doc_id))};
    return out;
  }
  static void score(Store& store, RunId run, int64_t doc_id, int version, FailureClass failure_class) {
    Score one;
    one.failure_class = failure_class;
    if (!store.put_scores(run, "task", doc_id, version, {one}, "")) ADD_FAILURE();
  }
  // Everything that a user can see, without row numbers.
  static std::string picture(Store& store) {
    std::string out;
    auto runs = store.runs().value();
    for (const RunRecord& run : runs) {
      auto tasks = store.tasks(run.id).value();
      auto series = store.series(run.id).value();
      out += fmt::format("run {} {}\n", run.run_key, to_string(run.status));
      for (const TaskRecord& task : tasks) {
        out += fmt::format(" task {} done {}\n", task.task, task.done);
        for (const SampleRecord& sample : samples(store, run.id, task.task)) {
          out += fmt::format("  doc {} {} v{} class {} history {}\n", sample.doc_id, dump_json(sample.sample),
                             sample.scorer_version,
                             sample.scores.empty() ? 0 : static_cast<int>(sample.scores[0].failure_class),
                             store.score_history(run.id, task.task, sample.doc_id)->size());
          for (size_t i = 0; i < sample.requests.size(); ++i)
            out += fmt::format("   {} -> {} {}\n", prompt_text(sample.requests[i].prompt), sample.responses[i].text,
                               to_string(sample.responses[i].finish));
        }
      }
      for (const auto& [name, points] : series) out += fmt::format(" series {} {}\n", name, dump_json(points));
    }
    return out;
  }
  std::string other_path() { return folder_ + "/other.db"; }
};

TEST_F(Merge, UnitesWithoutDoubles) {
  auto ours = open(path_), theirs = open(other_path());
  RunId a = begin(*ours, "a"), b = begin(*theirs, "b"), c = begin(*theirs, "c");
  for (int64_t i = 0; i < 70; ++i) {
    ASSERT_TRUE(ours->put_sample(a, "task", sample(i)));
    put(*ours, a, i, "q" + std::to_string(i), "ours");
    ASSERT_TRUE(theirs->put_sample(b, "task", sample(i + 50)));
    put(*theirs, b, i + 50, "q" + std::to_string(i + 50), "theirs");
    score(*theirs, b, i + 50, 1, FailureClass::wrong_answer);
  }
  score(*theirs, b, 50, 2, FailureClass::correct);
  ASSERT_TRUE(theirs->link_response(c, {"task", 3, 0}, key("q60")));
  Response failed;
  failed.failure = EngineFailure::timeout;
  ASSERT_TRUE(theirs->put_response(c, {"task", 4, 0}, "x", request("x"), failed));
  ASSERT_TRUE(theirs->put_response(c, {"task", 4, 0}, "x", request("x"), answer("at last")));
  ASSERT_TRUE(theirs->put_series(b, "memory", Json::array({1, 2})));
  ASSERT_TRUE(theirs->put_text("note", "theirs"));
  ASSERT_TRUE(theirs->put_task(b, {"task", "1", nullptr, nullptr, 70, 70, "", true, {{"value", 0.5}}}));
  std::string expected = picture(*ours) + picture(*theirs);
  ASSERT_TRUE(ours->merge(other_path()));
  EXPECT_EQ(picture(*ours), expected);
  EXPECT_EQ(ours->text("note")->value(), "theirs");
  StoreCheck once = checked(*ours);
  EXPECT_TRUE(once.ok);
  EXPECT_EQ(once.counts["responses"], 70 + 70 + 2);
  EXPECT_EQ(once.counts["docs"], 120) << "twenty docs are in both";
  ASSERT_TRUE(ours->merge(other_path()));
  EXPECT_EQ(picture(*ours), expected);
  EXPECT_EQ(checked(*ours).counts, once.counts) << "again: nothing changes";
}

TEST_F(Merge, CopiesOfOneRunGrowTogether) {
  {
    auto ours = open(path_);
    RunId run = begin(*ours, "a");
    for (int64_t i = 0; i < 4; ++i) ASSERT_TRUE(ours->put_sample(run, "task", sample(i)));
    put(*ours, run, 0, "q0", "both");
    score(*ours, run, 0, 1, FailureClass::wrong_answer);
  }
  std::filesystem::copy_file(path_, other_path());
  auto ours = open(path_), theirs = open(other_path());
  put(*ours, 1, 1, "q1", "ours");
  put(*theirs, 1, 2, "q2", "theirs");
  put(*ours, 1, 3, "q3", "ours too");
  put(*theirs, 1, 3, "q3", "theirs too");
  score(*theirs, 1, 0, 2, FailureClass::correct);
  ASSERT_TRUE(theirs->set_run_status(1, RunStatus::done, 1800000000000, {{"wall_s", 1}}));
  ASSERT_TRUE(ours->merge(other_path()));
  auto runs = ours->runs();
  ASSERT_EQ(runs->size(), 1u);
  EXPECT_EQ(runs->at(0).status, RunStatus::done);
  std::vector<SampleRecord> all = samples(*ours, 1);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].responses[0].text, "both");
  EXPECT_EQ(all[0].scores.at(0).failure_class, FailureClass::correct);
  EXPECT_EQ(ours->score_history(1, "task", 0)->size(), 2u);
  EXPECT_EQ(all[1].responses[0].text, "ours");
  EXPECT_EQ(all[2].responses[0].text, "theirs");
  EXPECT_EQ(all[3].responses[0].text, "ours too") << "what is answered stays";
  EXPECT_TRUE(checked(*ours).ok);
}

TEST_F(Merge, BadOnesAreRefused) {
  auto store = open(path_);
  EXPECT_EQ(store->merge(path_).error().kind, ErrorKind::bad_input);
  EXPECT_EQ(store->merge(other_path()).error().kind, ErrorKind::not_found);
  EXPECT_EQ(store->merge(folder_).error().kind, ErrorKind::bad_input);
  EXPECT_FALSE(std::filesystem::exists(other_path()));
}

}  // namespace
}  // namespace qeval
