#include <gtest/gtest.h>

#include <fstream>

#include "openai_testing.h"

namespace qeval::testing {
namespace {

int64_t resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::atoll(line.c_str() + 6);
  return 0;
}

TEST(OpenAiSession, AnswersTextAndChatInStreams) {
  TestServer server({});
  auto engine = connected(options_for({server.url() + "/v1/"}));
  ASSERT_TRUE(engine);
  EXPECT_TRUE(engine->info().can.loglikelihood);
  EXPECT_TRUE(engine->info().can.own_chat);
  EXPECT_FALSE(engine->info().weights.verified);
  auto session = engine->open_session({});
  ASSERT_TRUE(session);
  for (RequestId id = 1; id <= 200; ++id)
    ASSERT_TRUE(*(*session)->submit(id % 2 ? text_request(id, "p" + std::to_string(id)) : chat_request(id, "p" + std::to_string(id), 4)));
  (*session)->close_input();
  auto answers = take_all(**session, 200);
  ASSERT_EQ(answers.size(), 200u);
  EXPECT_TRUE((*session)->finished());
  for (auto& [id, r] : answers) {
    EXPECT_EQ(r.text, TestServer::answer_of("p" + std::to_string(id), id % 2 ? 8 : 4));
    EXPECT_EQ(r.finish, id % 2 ? FinishReason::end_of_turn : FinishReason::length);
    EXPECT_EQ(r.n_new_tokens, id % 2 ? 8 : 4);
    EXPECT_EQ(r.token_times_s.size(), id % 2 ? 8u : 4u);
    EXPECT_GT(r.first_token_s, 0);
    EXPECT_LE(r.queue_s, r.first_token_s);
    EXPECT_LE(r.first_token_s, r.total_s);
  }
}

TEST(OpenAiSession, CutsAtStopStringsThatTheServerDoesNotKnow) {
  TestServer server({});
  auto engine = connected(options_for({server.url()}));
  auto session = *engine->open_session({});
  const std::string whole = TestServer::answer_of("x", 8);
  const std::string stop = whole.substr(whole.find(' ', 12) + 1, 4);
  Request request = text_request(1, "x");
  request.until = {"never", stop};
  ASSERT_TRUE(*session->submit(request));
  auto answers = take_all(*session, 1);
  EXPECT_EQ(answers[1].text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(answers[1].finish, FinishReason::stop_string);
  EXPECT_EQ(answers[1].stop_string, stop);
}

TEST(OpenAiSession, ScoresContinuationsByEcho) {
  TestServer server({});
  auto engine = connected(options_for({server.url()}));
  auto session = *engine->open_session({});
  Request request = text_request(1, "ab ");
  request.kind = RequestKind::loglikelihood;
  request.continuation = "cd";
  ASSERT_TRUE(*session->submit(request));
  auto r = take_all(*session, 1)[1];
  // The space moves into the continuation: three tokens (bytes) are scored.
  const double expected = TestServer::logprob_of('b', ' ') + TestServer::logprob_of(' ', 'c') + TestServer::logprob_of('c', 'd');
  EXPECT_EQ(r.finish, FinishReason::scored);
  EXPECT_NEAR(r.logprob_nats, expected, 1e-9);
  EXPECT_EQ(r.n_new_tokens, 3);
  EXPECT_EQ(r.n_prompt_tokens, 2);
  const bool greedy = std::min({TestServer::logprob_of('b', ' '), TestServer::logprob_of(' ', 'c'), TestServer::logprob_of('c', 'd')}) >= -1.0;
  EXPECT_EQ(r.is_greedy, greedy);
}

TEST(OpenAiSession, ClassesWhatDoesNotFitAndGoesOn) {
  TestServer server({});
  auto engine = connected(options_for({server.url()}));
  auto session = *engine->open_session({});
  ASSERT_TRUE(*session->submit(text_request(1, std::string(9000, 'x'))));
  ASSERT_TRUE(*session->submit(text_request(2, "short")));
  auto answers = take_all(*session, 2);
  EXPECT_EQ(answers[1].failure, EngineFailure::context_too_long);
  EXPECT_EQ(answers[2].text, TestServer::answer_of("short", 8));
}

TEST(OpenAiSession, AllFaultsAtOnceLoseNothing) {
  TestServerOptions server_options;
  for (const char* fault : {"slow_first_byte", "stall", "cut", "rate_limit", "rate_limit_after", "burst_500", "malformed", "half", "wrong_type",
                            "empty_choices", "duplicate", "wrong_counts"})
    server_options.faults[fault] = 0.03;
  server_options.faults["rate_limit_after"] = 0.01;
  server_options.faults["huge"] = 0.01;
  server_options.faults["restart"] = 0.004;
  TestServer server(server_options);
  OpenAiOptions options = options_for({server.url()});
  options.timeouts.stall_s = 1;
  options.timeouts.first_byte_s = 10;
  auto engine = connected(options);
  ASSERT_TRUE(engine);
  SessionOptions session_options;
  session_options.max_pending = 256;
  auto session = *engine->open_session(session_options);
  constexpr RequestId kAll = 1000;
  std::map<RequestId, Response> answers;
  const int64_t before = resident_kib();
  int64_t most = before;
  RequestId next = 1;
  while (answers.size() < kAll) {
    while (next <= kAll) {
      auto accepted = session->submit(next % 2 ? text_request(next, "q" + std::to_string(next)) : chat_request(next, "q" + std::to_string(next)));
      ASSERT_TRUE(accepted) << accepted.error().message;
      if (!*accepted) break;
      ++next;
    }
    auto response = session->next(std::chrono::seconds(90));
    ASSERT_TRUE(response) << "after " << answers.size();
    const RequestId id = response->id;
    ASSERT_TRUE(answers.emplace(id, std::move(*response)).second) << "twice: " << id;
    if (answers.size() % 50 == 0) most = std::max(most, resident_kib());
  }
  session->close_input();
  EXPECT_TRUE(session->finished());
  int n_good = 0;
  std::map<std::string, int> classes;
  for (auto& [id, r] : answers) {
    if (r.failure == EngineFailure::none) {
      ++n_good;
      EXPECT_EQ(r.text, TestServer::answer_of("q" + std::to_string(id), 8)) << id;
      EXPECT_EQ(r.n_new_tokens, 8) << id;
    } else {
      ++classes[to_string(r.failure)];
      EXPECT_FALSE(r.failure_message.empty());
      EXPECT_TRUE(r.text.empty());
    }
  }
  const auto counts = server.counts();
  for (const auto& [fault, p] : server_options.faults) EXPECT_GT(counts.faults.count(fault), 0u) << fault << " never happened";
  EXPECT_GE(n_good, 970);
  EXPECT_LT(most - before, 400 * 1024) << "KiB";
  std::string text;
  for (auto& [name, n] : classes) text += name + " " + std::to_string(n) + ", ";
  RecordProperty("good", n_good);
  std::printf("%d good, %sin %lld questions, %lld KiB more\n", n_good, text.c_str(), static_cast<long long>(counts.n_questions), static_cast<long long>(most - before));
}

TEST(OpenAiSession, AnAddressThatDiesLosesNothing) {
  auto first = std::make_unique<TestServer>(TestServerOptions{});
  TestServerOptions slow;
  slow.token_interval_s = 0.01;
  TestServer second(slow);
  auto engine = connected(options_for({first->url(), second.url()}));
  auto session = *engine->open_session({});
  for (RequestId id = 1; id <= 300; ++id) ASSERT_TRUE(*session->submit(text_request(id, "d" + std::to_string(id))));
  auto some = take_all(*session, 20);
  first.reset();
  auto rest = take_all(*session, 280);
  rest.merge(some);
  ASSERT_EQ(rest.size(), 300u);
  for (auto& [id, r] : rest) EXPECT_EQ(r.text, TestServer::answer_of("d" + std::to_string(id), 8)) << r.failure_message;
  EXPECT_GT(second.counts().n_answered, 20);
}

TEST(OpenAiSession, EndsWithAReasonWhenNobodyAnswers) {
  auto server = std::make_unique<TestServer>(TestServerOptions{});
  OpenAiOptions options = options_for({server->url()});
  options.timeouts.outage_s = 0.5;
  auto engine = connected(options);
  server.reset();
  auto session = *engine->open_session({});
  for (RequestId id = 1; id <= 10; ++id) ASSERT_TRUE(*session->submit(text_request(id, "x")));
  auto answers = take_all(*session, 10);
  for (auto& [id, r] : answers) EXPECT_EQ(r.failure, EngineFailure::connection);
  ASSERT_TRUE(session->died());
  EXPECT_EQ(session->died()->kind, ErrorKind::environment);
  EXPECT_FALSE(session->submit(text_request(11, "y")));
}

// The first answer must not hold up the others (libcurl could wait whether its connection can be shared).
TEST(OpenAiSession, StreamsRunSideBySide) {
  TestServerOptions slow;
  slow.token_interval_s = 0.05;
  slow.n_tokens = 20;
  TestServer server(slow);
  OpenAiOptions options = options_for({server.url()});
  options.adaptive = false;
  auto engine = connected(options);
  auto session = *engine->open_session({});
  for (RequestId id = 1; id <= 30; ++id) ASSERT_TRUE(*session->submit(text_request(id, "s" + std::to_string(id), 20)));
  auto answers = take_all(*session, 30);
  double first_end = 1e9, last_begin = 0;
  for (auto& [id, r] : answers) {
    first_end = std::min(first_end, r.total_s);
    last_begin = std::max(last_begin, r.first_token_s);
  }
  EXPECT_LT(last_begin, first_end) << "the last stream began after the first had ended";
}

TEST(OpenAiSession, CancelledRequestsComeBackAsCancelled) {
  TestServerOptions slow;
  slow.first_token_s = 30;
  TestServer server(slow);
  OpenAiOptions options = options_for({server.url()});
  slow.first_token_s = 0;
  TestServer quick(slow);
  options.base_urls = {quick.url()};
  auto probe = connected(options);
  options.base_urls = {quick.url(), server.url()};
  auto engine = connected(options);
  auto session = *engine->open_session({});
  for (RequestId id = 1; id <= 40; ++id) ASSERT_TRUE(*session->submit(text_request(id, "c")));
  ASSERT_TRUE(session->next(std::chrono::seconds(20)));
  session->cancel_all();
  session->close_input();
  int n_cancelled = 0;
  while (auto r = session->next(std::chrono::seconds(5))) n_cancelled += r->finish == FinishReason::cancelled;
  EXPECT_TRUE(session->finished());
  EXPECT_GT(n_cancelled, 0);
}

TEST(OpenAiEngine, SaysWhatCannotPass) {
  TestServerOptions guarded;
  guarded.api_key = "right";
  TestServer server(guarded);
  OpenAiOptions options = options_for({server.url()});
  options.api_key = "wrong-secret";
  auto denied = connect_openai_engine(options);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().kind, ErrorKind::environment);
  EXPECT_NE(denied.error().message.find("OPENAI_API_KEY"), std::string::npos);
  EXPECT_EQ(denied.error().message.find("wrong-secret"), std::string::npos);
  options.api_key = "right";
  EXPECT_TRUE(connected(options));
  options.model_names = {"another"};
  auto unknown = connect_openai_engine(options);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("test-model"), std::string::npos);
  auto nobody = connect_openai_engine(options_for({"http://127.0.0.1:9"}));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::environment);
  EXPECT_FALSE(connect_openai_engine(options_for({"ftp://x"})));
}

TEST(OpenAiEngine, WithoutLogprobsHasNoLikelihoods) {
  TestServerOptions plain;
  plain.likelihoods = false;
  TestServer server(plain);
  auto engine = connected(options_for({server.url()}));
  EXPECT_FALSE(engine->info().can.loglikelihood);
  EXPECT_FALSE(engine->info().can.tokenizer);
}

}  // namespace
}  // namespace qeval::testing
