#include <cmath>
#include <limits>
#include <random>

#include "store_fixture.h"

namespace qeval {
namespace {

using Responses = StoreTest;

Response odd_response() {
  Response r;
  r.id = std::numeric_limits<uint64_t>::max() - 5;
  r.finish = FinishReason::stop_string;
  r.failure = EngineFailure::none;
  r.text = std::string("half a \xe2\x82 character, a NUL \0, \xff\xfe", 33);
  r.stop_string = std::string("\0\xff", 2);
  r.logprob_nats = -std::numeric_limits<double>::infinity();
  r.is_greedy = true;
  r.n_prompt_tokens = 1 << 30;
  r.n_cached_tokens = 17;
  r.n_new_tokens = -1;
  r.token_logprobs = {{5, std::nan("7")}, {-3, -0.0}, {151645, -1e-310}, {0, -std::numeric_limits<double>::infinity()}};
  r.queue_s = 0.1;
  r.first_token_s = -0.0;
  r.total_s = std::bit_cast<double>(uint64_t{0xfff8000000001234});
  r.truncated_prompt = true;
  return r;
}

TEST_F(Responses, EveryFieldComesBackExactly) {
  auto store = open(path_);
  RunId run = begin(*store);
  Response odd = odd_response(), plain;
  plain.finish = FinishReason::scored;
  plain.logprob_nats = -12.345678901234567;
  plain.total_s = 3;  // an integral REAL
  ASSERT_TRUE(store->put_response(run, {"task", 1, 0}, key("a"), request("a"), odd));
  ASSERT_TRUE(store->put_response(run, {"task", 2, 0}, key("b"), request("b"), plain));
  store.reset();
  store = open(path_);
  auto found = store->find_response(key("a"));
  ASSERT_TRUE(found && *found);
  expect_same((*found)->response, odd);
  EXPECT_EQ((*found)->key, key("a"));
  EXPECT_EQ((*found)->decoded_in, run);
  found = store->find_response(key("b"));
  ASSERT_TRUE(found && *found);
  expect_same((*found)->response, plain);
}

TEST_F(Responses, LongTextsAreCompressedAndStoredOnce) {
  auto store = open(path_);
  RunId run = begin(*store);
  std::string shots;
  for (int i = 0; i < 2000; ++i) shots += "Question: what is " + std::to_string(i) + " plus one? Answer: it depends.\n";
  for (int doc = 0; doc < 20; ++doc)
    for (int choice = 0; choice < 4; ++choice) {
      Request r = request(shots);
      r.kind = RequestKind::loglikelihood;
      r.continuation = " " + std::to_string(doc * 4 + choice);
      ASSERT_TRUE(store->put_response(run, {"task", doc, choice}, reuse_key(r, {}, {}), r, answer("")));
    }
  StoreCheck check = checked(*store);
  EXPECT_EQ(check.counts["requests"], 80);
  EXPECT_EQ(check.counts["responses"], 80);
  EXPECT_EQ(check.counts["texts"], 2) << "the prompt and the settings";
  EXPECT_LT(check.counts["text_bytes_stored"], check.counts["text_bytes"] / 5);
  EXPECT_EQ(std::get<std::string>(samples(*store, run).at(3).requests.at(2).prompt), shots);
}

TEST_F(Responses, TextsAroundTheCompressionThreshold) {
  auto store = open(path_);
  RunId run = begin(*store);
  std::mt19937 random(3);
  std::vector<std::string> texts;
  for (size_t n : {0, 1, 255, 256, 257, 5000, 300'000}) {
    texts.emplace_back(n, 'x');
    texts.emplace_back();
    for (size_t i = 0; i < n; ++i) texts.back() += static_cast<char>(random());
  }
  for (size_t i = 0; i < texts.size(); ++i) put(*store, run, static_cast<int64_t>(i), texts[i] + "?", texts[i]);
  std::vector<SampleRecord> back = samples(*store, run);
  ASSERT_EQ(back.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(back[i].responses.at(0).text, texts[i]);
    EXPECT_EQ(std::get<std::string>(back[i].requests.at(0).prompt), texts[i] + "?");
  }
  EXPECT_TRUE(checked(*store).ok);
}

TEST_F(Responses, RequestsComeBackInFull) {
  auto store = open(path_);
  RunId run = begin(*store);
  std::vector<Request> all(4);
  all[0] = request("bytes \xff");
  all[0].sampling = {0.7, 0.8, 20, 0.05, 1.1, 0.5, -0.25, std::numeric_limits<uint64_t>::max()};
  all[0].repeat = 3;
  all[0].want_token_logprobs = true;
  all[0].json_schema = R"({"type":"object"})";
  all[0].until = {"\xfe", ""};
  all[1].prompt = std::vector<TokenId>{0, 151643, -1};
  all[1].kind = RequestKind::loglikelihood;
  all[1].continuation = std::string("\0\xff yes", 6);
  Message call{"assistant", "calls \xff", {{"tool_calls", Json::array({{{"id", "1"}}})}, {"role", "kept apart"}}};
  all[2].prompt =
      ChatPrompt{{{"system", "be brief", nullptr}, call}, Json::array({{{"type", "function"}}}), true, false};
  all[3].prompt = ChatPrompt{};
  all[3].kind = RequestKind::loglikelihood_rolling;
  for (size_t i = 0; i < all.size(); ++i)
    ASSERT_TRUE(
        store->put_response(run, {"task", 5, static_cast<int>(i)}, "key " + std::to_string(i), all[i], answer("x")));
  std::vector<SampleRecord> back = samples(*store, run);
  ASSERT_EQ(back.size(), 1u);
  ASSERT_EQ(back[0].requests.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) expect_same(back[0].requests[i], all[i]);
}

TEST_F(Responses, ARunKeepsItsFirstAnswer) {
  auto store = open(path_);
  RunId run = begin(*store);
  put(*store, run, 1, "q", "first");
  put(*store, run, 1, "q", "second");
  put(*store, run, 2, "q", "third");
  EXPECT_EQ((*store->find_response(key("q")))->response.text, "first");
  for (const SampleRecord& sample : samples(*store, run)) EXPECT_EQ(sample.responses.at(0).text, "first");
  EXPECT_EQ(checked(*store).counts["responses"], 1);
}

TEST_F(Responses, RunsThatDecodeTheSameEachKeepTheirOwn) {
  auto store = open(path_);
  RunId first = begin(*store), second = begin(*store, "key", true);
  ASSERT_NE(first, second);
  put(*store, first, 1, "q", "one");
  put(*store, second, 1, "q", "two");
  EXPECT_EQ(samples(*store, first).at(0).responses.at(0).text, "one");
  EXPECT_EQ(samples(*store, second).at(0).responses.at(0).text, "two");
  EXPECT_EQ((*store->find_response(key("q")))->response.text, "one");
  EXPECT_EQ((*store->find_response(key("q"), second))->response.text, "two");
}

TEST_F(Responses, AnotherRunCanUseThem) {
  auto store = open(path_);
  RunId first = begin(*store, "a"), second = begin(*store, "b");
  put(*store, first, 1, "q", "one");
  ASSERT_TRUE(store->link_response(second, {"other", 7, 0}, key("q")));
  std::vector<SampleRecord> back = samples(*store, second, "other");
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].responses.at(0).text, "one");
  EXPECT_EQ(std::get<std::string>(back[0].requests.at(0).prompt), "q");
  Status absent = store->link_response(second, {"other", 8, 0}, key("never asked"));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, ErrorKind::not_found);
  EXPECT_EQ(samples(*store, second, "other").size(), 1u) << "a failed link leaves nothing behind";
}

TEST_F(Responses, FailedOnesAreShownButAskedAgain) {
  auto store = open(path_);
  RunId run = begin(*store);
  Response failed;
  failed.failure = EngineFailure::timeout;
  failed.failure_message = "no reply in 30 s";
  ASSERT_TRUE(store->put_response(run, {"task", 1, 0}, key("q"), request("q"), failed));
  EXPECT_FALSE(store->find_response(key("q"))->has_value());
  EXPECT_TRUE(store->find_responses({key("q")})->empty());
  EXPECT_EQ(samples(*store, run).at(0).responses.at(0).failure, EngineFailure::timeout);
  put(*store, run, 1, "q", "answer");
  EXPECT_EQ(samples(*store, run).at(0).responses.at(0).text, "answer");
  ASSERT_TRUE(store->put_response(run, {"task", 1, 0}, key("q"), request("q"), failed));
  EXPECT_EQ(samples(*store, run).at(0).responses.at(0).text, "answer") << "a late failure does not undo an answer";
  EXPECT_EQ((*store->find_response(key("q")))->response.text, "answer");
}

TEST_F(Responses, ManyAreFoundAtOnce) {
  auto store = open(path_);
  RunId run = begin(*store);
  std::vector<Request> requests;
  std::vector<Response> responses;
  for (int i = 0; i < 2000; ++i)
    requests.push_back(request("q" + std::to_string(i))), responses.push_back(answer("a" + std::to_string(i)));
  std::vector<NewResponse> batch;
  std::vector<std::string> keys;
  for (size_t i = 0; i < requests.size(); ++i) {
    keys.push_back(key("q" + std::to_string(i)));
    batch.push_back({{"task", static_cast<int64_t>(i), 0}, keys.back(), &requests[i], &responses[i]});
  }
  ASSERT_TRUE(store->put_responses(run, batch));
  keys.push_back(key("absent"));
  keys.push_back(keys.front());
  auto found = store->find_responses(keys);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2000u);
  for (size_t i = 0; i < 2000; ++i) EXPECT_EQ(found->at(keys[i]).response.text, "a" + std::to_string(i));
}

TEST_F(Responses, BadReferencesAreRefused) {
  auto store = open(path_);
  RunId run = begin(*store);
  EXPECT_EQ(store->put_response(run + 1, {"task", 1, 0}, "k", request("q"), answer("a")).error().kind,
            ErrorKind::not_found);
  EXPECT_EQ(store->put_response(run, {"task", 1, -1}, "k", request("q"), answer("a")).error().kind,
            ErrorKind::bad_input);
  EXPECT_EQ(store->put_response(run, {"task", 1, 1 << 20}, "k", request("q"), answer("a")).error().kind,
            ErrorKind::bad_input);
  EXPECT_EQ(checked(*store).counts["responses"], 0);
}

}  // namespace
}  // namespace qeval
