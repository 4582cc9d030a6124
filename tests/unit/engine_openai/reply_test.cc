#include "qeval/engine/openai/reply.h"

#include <gtest/gtest.h>

#include "qeval/engine/openai/request_body.h"
#include "qeval/engine/openai/verdict.h"

namespace qeval {
namespace {

TEST(Reply, JoinsChunksOfAChat) {
  Reply reply;
  EXPECT_EQ(reply.add(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"), Reply::Piece::nothing);
  EXPECT_EQ(reply.add(R"({"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]})"), Reply::Piece::token);
  EXPECT_EQ(reply.add(R"({"choices":[{"index":0,"delta":{"content":"4"}}]})"), Reply::Piece::token);
  EXPECT_EQ(reply.add(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop","stop_reason":"\n"}]})"), Reply::Piece::nothing);
  EXPECT_EQ(reply.add(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}})"), Reply::Piece::nothing);
  EXPECT_EQ(reply.text(), "<think>\nhm\n</think>\n\n4");
  EXPECT_EQ(reply.stop_string(), "\n");
  EXPECT_EQ(reply.n_prompt_tokens(), 9);
  EXPECT_EQ(reply.n_new_tokens(), 2);
  EXPECT_EQ(reply.n_cached_tokens(), 4);
  EXPECT_EQ(reply.n_chunks(), 2);
}

TEST(Reply, LeavesUnfinishedReasoningOpen) {
  Reply reply;
  reply.add(R"({"choices":[{"message":{"reasoning":"so","content":null},"finish_reason":"length"}]})");
  EXPECT_EQ(reply.text(), "<think>\nso");
}

TEST(Reply, JoinsToolCalls) {
  Reply reply;
  reply.add(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]})");
  reply.add(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]})");
  reply.add(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})");
  const Json calls = reply.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["function"]["arguments"], "{\"x\":1}");
  EXPECT_EQ(calls[1]["id"], "b");
}

TEST(Reply, TakesNothingThatCannotBe) {
  Reply reply;
  reply.add(R"({"choices":[{"text":5,"finish_reason":7,"logprobs":[1]}],"usage":{"prompt_tokens":-3,"completion_tokens":1e99}})");
  EXPECT_EQ(reply.text(), "");
  EXPECT_FALSE(reply.finished());
  EXPECT_EQ(reply.n_prompt_tokens(), -1);
  EXPECT_EQ(reply.n_new_tokens(), -1);
  EXPECT_EQ(reply.add("[1]"), Reply::Piece::malformed);
  EXPECT_EQ(reply.add("{\"choices\""), Reply::Piece::malformed);
  Reply small({10});
  EXPECT_EQ(small.add(R"({"choices":[{"text":"01234567890"}]})"), Reply::Piece::too_large);
}

TEST(Echo, WantsEveryPosition) {
  const std::vector<TokenId> tokens = {5, 6, 7};
  const char* good = R"({"choices":[{"logprobs":{"tokens":["token_id:5","token_id:6","token_id:7"],"token_logprobs":[null,-1.5,-0.25],
    "top_logprobs":[null,{"token_id:6":-1.5,"token_id:9":-0.5},{"token_id:7":-0.25}]}}]})";
  auto echo = read_echo(*parse_json(good), tokens);
  ASSERT_TRUE(echo) << echo.error().message;
  EXPECT_DOUBLE_EQ(echo->logprob_nats[1], -1.5);
  EXPECT_FALSE(echo->is_top[1]);
  EXPECT_TRUE(echo->is_top[2]);
  EXPECT_FALSE(read_echo(*parse_json(good), {5, 6, 8}));
  EXPECT_FALSE(read_echo(*parse_json(good), {5, 6, 7, 8}));
  EXPECT_FALSE(read_echo(*parse_json(R"({"choices":[{"text":"x"}]})"), tokens));
  EXPECT_FALSE(read_echo(*parse_json(R"({"choices":[{"logprobs":{"token_logprobs":[null,null,-1]}}]})"), tokens));
}

TEST(TopTokens, ReadsBothServers) {
  auto vllm = read_top_tokens(*parse_json(R"({"choices":[{"logprobs":{"top_logprobs":[{"token_id:32":-0.1,"token_id:33":-2.5}]}}]})"));
  ASSERT_TRUE(vllm);
  EXPECT_EQ(vllm->size(), 2u);
  auto llama = read_top_tokens(*parse_json(R"({"choices":[{"logprobs":{"content":[{"id":3,"logprob":-1,"top_logprobs":[{"id":3,"logprob":-1},{"id":4,"logprob":-2}]}]}}]})"));
  ASSERT_TRUE(llama);
  EXPECT_EQ((*llama)[1].token, 4);
  EXPECT_FALSE(read_top_tokens(*parse_json(R"({"choices":[{"logprobs":{"top_logprobs":[{" A":-0.1}]}}]})")));
}

HttpEnd ended(long status, double retry_after_s = -1) {
  HttpEnd end;
  end.status = status;
  end.retry_after_s = retry_after_s;
  return end;
}

TEST(Verdict, TellsWhatCanPass) {
  EXPECT_EQ(judge_http(ended(401), "").action, Action::stop);
  EXPECT_EQ(judge_http(ended(404), R"({"error":{"message":"The model `x` does not exist."}})").action, Action::stop);
  EXPECT_EQ(judge_http(ended(429, 7), "").action, Action::push_back);
  EXPECT_EQ(judge_http(ended(429, 7), "").wait_s, 7);
  EXPECT_EQ(judge_http(ended(503), "").action, Action::push_back);
  EXPECT_EQ(judge_http(ended(500), "text").action, Action::retry);
  EXPECT_EQ(judge_http(ended(302), "").action, Action::stop);
  const Verdict vllm = judge_http(ended(400), R"({"object":"error","message":"This model's maximum context length is 2048 tokens."})");
  EXPECT_EQ(vllm.action, Action::refuse);
  EXPECT_EQ(vllm.failure, EngineFailure::context_too_long);
  const Verdict llama = judge_http(ended(400), R"({"error":{"code":400,"message":"request (9 tokens) exceeds","type":"exceed_context_size_error"}})");
  EXPECT_EQ(llama.failure, EngineFailure::context_too_long);
  EXPECT_EQ(judge_http(ended(400), R"({"error":{"message":"bad stop"}})").failure, EngineFailure::unsupported);
  HttpEnd refused;
  refused.fault = HttpFault::not_reached;
  EXPECT_EQ(judge_http(refused, "").action, Action::elsewhere);
}

TEST(RequestBody, SendsThinkingAndSamplingExplicitly) {
  Request request;
  request.prompt = ChatPrompt{{{"user", "hi", nullptr}, {"assistant", "So", nullptr}}, nullptr, true, std::nullopt};
  request.sampling.temperature = 0.7;
  request.sampling.top_k = 0;
  request.until = {"a", "b", "c", "d", "e", ""};
  BodyOptions options;
  options.kind = ServerKind::vllm;
  options.model = "m";
  options.default_thinking = false;
  HttpQuestion question = generation_question(request, options);
  Json body = *parse_json(question.body);
  EXPECT_EQ(question.path, "/v1/chat/completions");
  EXPECT_EQ(body["chat_template_kwargs"]["enable_thinking"], false);
  EXPECT_EQ(body["continue_final_message"], true);
  EXPECT_EQ(body["top_k"], -1);
  EXPECT_EQ(body["stop"].size(), 4u);  // vLLM takes no more in chat; the client cuts at the fifth
  std::get<ChatPrompt>(request.prompt).enable_thinking = true;
  options.kind = ServerKind::openai;
  body = *parse_json(generation_question(request, options).body);
  EXPECT_EQ(body["chat_template_kwargs"]["enable_thinking"], true);
  EXPECT_EQ(body["stop"].size(), 4u);
  EXPECT_FALSE(body.contains("top_k"));
}

}  // namespace
}  // namespace qeval
