#include "qeval/engine/fake.h"

#include <gtest/gtest.h>

#include <set>

namespace qeval {
namespace {

using std::chrono::milliseconds;

Request generate(RequestId id, std::string prompt = "p") {
  Request request;
  request.id = id;
  request.prompt = std::move(prompt);
  return request;
}

std::map<RequestId, Response> drain(EngineSession& session) {
  session.close_input();
  std::map<RequestId, Response> out;
  while (!session.finished())
    if (auto response = session.next(milliseconds(1000))) {
      const RequestId id = response->id;
      EXPECT_TRUE(out.emplace(id, std::move(*response)).second) << "two responses for " << id;
    }
  return out;
}

TEST(FakeEngine, AnswersFromFunctionAndCutsAtStopStrings) {
  FakeOptions options;
  options.answer = [](const Request& request) {
    Response response;
    response.text = "echo " + std::get<std::string>(request.prompt) + " END tail";
    return response;
  };
  auto engine = make_fake_engine(options);
  auto session = engine->open_session({}).value();
  Request request = generate(7, "abc");
  request.until = {"tail", " END"};
  ASSERT_TRUE(session->submit(request).value());
  ASSERT_TRUE(session->submit(generate(8, "x")).value());
  auto responses = drain(*session);
  EXPECT_EQ(responses.at(7).text, "echo abc");
  EXPECT_EQ(responses.at(7).finish, FinishReason::stop_string);
  EXPECT_EQ(responses.at(7).stop_string, " END");
  EXPECT_EQ(responses.at(8).finish, FinishReason::end_of_turn);
}

TEST(FakeEngine, DefaultLoglikelihoodIsMinusBytes) {
  auto engine = make_fake_engine({});
  auto session = engine->open_session({}).value();
  Request request = generate(1);
  request.kind = RequestKind::loglikelihood;
  request.continuation = " four";
  ASSERT_TRUE(session->submit(request).value());
  auto responses = drain(*session);
  EXPECT_EQ(responses.at(1).logprob_nats, -5);
  EXPECT_EQ(responses.at(1).finish, FinishReason::scored);
}

TEST(FakeEngine, FaultsHitTheScriptedRequestOnly) {
  FakeOptions options;
  options.faults = {{1, EngineFailure::timeout}};
  options.has_loglikelihood = false;
  auto engine = make_fake_engine(options);
  auto session = engine->open_session({}).value();
  for (RequestId id : {10, 11, 12}) ASSERT_TRUE(session->submit(generate(id)).value());
  Request scored = generate(13);
  scored.kind = RequestKind::loglikelihood;
  ASSERT_TRUE(session->submit(scored).value());
  auto responses = drain(*session);
  EXPECT_EQ(responses.at(10).failure, EngineFailure::none);
  EXPECT_EQ(responses.at(11).failure, EngineFailure::timeout);
  EXPECT_EQ(responses.at(11).finish, FinishReason::failed);
  EXPECT_EQ(responses.at(12).failure, EngineFailure::none);
  EXPECT_EQ(responses.at(13).failure, EngineFailure::unsupported);
}

TEST(FakeEngine, ThrowingAnswerIsAFailureNotACrash) {
  FakeOptions options;
  options.answer = [](const Request&) -> Response { throw std::runtime_error("boom"); };
  auto engine = make_fake_engine(options);
  auto session = engine->open_session({}).value();
  ASSERT_TRUE(session->submit(generate(1)).value());
  auto responses = drain(*session);
  EXPECT_EQ(responses.at(1).failure, EngineFailure::engine_error);
  EXPECT_EQ(responses.at(1).failure_message, "boom");
}

TEST(FakeEngine, BackPressureUntilResponsesAreTaken) {
  auto engine = make_fake_engine({});
  SessionOptions options;
  options.max_pending = 2;
  auto session = engine->open_session(options).value();
  EXPECT_TRUE(session->submit(generate(1)).value());
  EXPECT_TRUE(session->submit(generate(2)).value());
  EXPECT_FALSE(session->submit(generate(3)).value());
  ASSERT_TRUE(session->next(milliseconds(5000)));
  EXPECT_TRUE(session->submit(generate(3)).value());
  EXPECT_EQ(drain(*session).size(), 2u);
  EXPECT_FALSE(session->submit(generate(4)).has_value());
}

TEST(FakeEngine, CancelReachesWaitingAndRunningRequests) {
  FakeOptions options;
  options.latency = std::chrono::seconds(60);
  auto engine = make_fake_engine(options);
  auto session = engine->open_session({}).value();
  for (RequestId id = 0; id < 5; ++id) ASSERT_TRUE(session->submit(generate(id)).value());
  session->cancel(3);
  auto first = session->next(milliseconds(5000));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->id, 3u);
  EXPECT_EQ(first->finish, FinishReason::cancelled);
  session->cancel_all();
  auto responses = drain(*session);
  EXPECT_EQ(responses.size(), 4u);
  for (auto& [id, response] : responses) EXPECT_EQ(response.finish, FinishReason::cancelled) << id;
  session->cancel(99);  // unknown: no effect
}

TEST(FakeEngine, DestroyingABusySessionReturns) {
  FakeOptions options;
  options.latency = std::chrono::seconds(60);
  auto engine = make_fake_engine(options);
  auto session = engine->open_session({}).value();
  ASSERT_TRUE(session->submit(generate(1)).value());
  session.reset();
}

TEST(FakeEngine, RendersAndTokenizes) {
  auto engine = make_fake_engine({});
  ChatPrompt chat;
  chat.messages = {{"user", "hi", nullptr}, {"assistant", "The answer", nullptr}};
  chat.continue_final_message = true;
  EXPECT_EQ(engine->render(chat)->text, "<|user|>hi<|end|>\n<|assistant|>The answer");
  EXPECT_EQ(engine->tokenize("az", false, false).value(), (std::vector<TokenId>{97, 122}));
}

}  // namespace
}  // namespace qeval
