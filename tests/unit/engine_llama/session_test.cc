// What a session promises, on tiny synthetic models: the same numbers alone and in company, shared prefixes or not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <thread>

#include "qeval/engine/llama/llama_engine.h"
#include "qeval/util/file.h"
#include "qeval/util/random.h"
#include "session_support.h"
#include "synthetic_support.h"

namespace qeval {
namespace {

std::string words(PyRandom& random, int n) {
  static const std::vector<std::string> list = {"the ", "and ", "water ", "is ", "in ", "sand ", "one ", "another ", "4 ", "\n"};
  std::string out;
  for (int i = 0; i < n; ++i) out += random.choice(list);
  return out;
}

// Docs of four choices behind a shared preamble, a few short ones, an empty context and equal requests.
std::vector<Request> mixed_scores() {
  PyRandom random(5);
  const std::string preamble = words(random, 60);
  std::vector<Request> out;
  RequestId id = 1;
  for (int doc = 0; doc < 12; ++doc) {
    const std::string context = (doc % 3 == 0 ? "" : preamble) + words(random, 10) + "Q:";
    for (int choice = 0; choice < 4; ++choice)
      out.push_back(score_request(id++, context, " " + words(random, 1 + choice * 2)));
  }
  for (const char* letter : {" A", " B", " C", " D"}) out.push_back(score_request(id++, "One token each. Answer:", letter));
  out.push_back(score_request(id++, "", "nothing before"));
  out.push_back(score_request(id++, "same", " again"));
  out.push_back(score_request(id++, "same", " again"));
  out.push_back(score_request(id++, "ends in space ", "moved"));
  return out;
}

class EverySession : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Engine> load(int n_ubatch = 64, int max_num_seqs = 6) {
    Preset preset;
    preset.max_num_seqs = max_num_seqs;
    preset.max_model_len = 1024;
    preset.llama = {{"n_ubatch", n_ubatch}};
    return load_synthetic(synthetic_model(GetParam()), preset);
  }
};
INSTANTIATE_TEST_SUITE_P(Architectures, EverySession, testing::Values("qwen2", "qwen3", "qwen3moe", "qwen35"));

TEST_P(EverySession, LoglikelihoodsAloneEqualThoseInCompany) {
  auto engine = load();
  ASSERT_TRUE(engine);
  const std::vector<Request> requests = mixed_scores();
  const Answers together = ask(*engine, requests);
  SessionOptions exact;
  exact.exact = true;
  const Answers alone = ask(*engine, requests, exact);
  int n_distinct = 0;
  for (const Request& request : requests) {
    const Response& a = together.by_id.at(request.id);
    const Response& b = alone.by_id.at(request.id);
    ASSERT_EQ(a.finish, FinishReason::scored) << a.failure_message;
    ASSERT_EQ(b.finish, FinishReason::scored) << b.failure_message;
    EXPECT_NEAR(a.logprob_nats, b.logprob_nats, 1e-3) << request.id;
    EXPECT_EQ(a.n_new_tokens, b.n_new_tokens);
    EXPECT_EQ(b.n_cached_tokens, 0);
    n_distinct += std::abs(a.logprob_nats - together.by_id.at(1).logprob_nats) > 0.01;
  }
  EXPECT_GT(n_distinct, 40);  // the model does tell them apart
  // The shared preamble, the shared contexts and the equal requests are decoded once.
  EXPECT_LT(together.stats.n_decoded_tokens, alone.stats.n_decoded_tokens / 2);
  EXPECT_LT(together.stats.n_batches, alone.stats.n_batches);
  EXPECT_GT(together.stats.kv_bytes, 0);
  EXPECT_GT(together.stats.model_bytes, 0);
}

// Rounding activations turns the last bit of a sum into tenths of a nat, so this holds only while all sums run in the same order everywhere.
class ScoresOf : public testing::TestWithParam<const char*> {};

TEST_P(ScoresOf, HaveTheSameBitsInEveryBatch) {
  LlamaOptions options;
  if (const std::string type = GetParam(); type == "real") {
    const char* path = std::getenv("QEVAL_TEST_GGUF");
    if (!path || !file_exists(path)) GTEST_SKIP() << "QEVAL_TEST_GGUF names no file";
    options.model_path = path;
  } else {
    SyntheticModelOptions wide = tiny_options("qwen3");
    wide.d_model = 1024;  // sums long enough to be cut
    wide.type = type;
    options.model_path = temp_path("scores_" + type + ".gguf");
    ASSERT_TRUE(make_synthetic_gguf(wide, options.model_path).has_value());
  }
  options.preset.max_num_seqs = 8;
  options.preset.max_model_len = 1024;
  options.preset.llama = {{"n_ubatch", 256}};
  auto engine = load_llama_engine(options);
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  std::vector<Request> requests = mixed_scores();
  for (const char* text : {" a", " be", " see"}) requests.push_back(score_request(static_cast<RequestId>(1000 + requests.size()), "", text));  // few rows alone
  SessionOptions exact;
  exact.exact = true;
  const Answers alone = ask(**engine, requests, exact);
  const Answers together = ask(**engine, requests);
  requests.erase(requests.begin() + 3, requests.begin() + 20);
  const Answers fewer = ask(**engine, requests);
  EXPECT_LT(together.stats.n_batches, alone.stats.n_batches / 2);
  for (const Answers* batched : {&together, &fewer})
    for (const auto& [id, response] : batched->by_id)
      EXPECT_EQ(response.logprob_nats, alone.by_id.at(id).logprob_nats) << id;
}

INSTANTIATE_TEST_SUITE_P(Types, ScoresOf, testing::Values("F32", "BF16", "F16", "Q8_0", "Q4_K_M", "real"),
                         [](const auto& one) { return std::string(one.param); });

// Quantised weights, also such that are expanded in parts, against the same weights written out in F32.
TEST(QuantisedScores, AreThoseOfTheWeightsWrittenOut) {
  SyntheticModelOptions wide = tiny_options("qwen3");
  wide.d_model = 1024;
  wide.like.d_ff = 6144;
  wide.n_layers = 2;
  for (const char* type : {"Q8_0", "Q4_0", "Q4_K_M"}) {
    wide.type = type;
    const std::string path = temp_path(std::string("quantised_") + type + ".gguf"), exact = temp_path(std::string("written_out_") + type + ".gguf");
    ASSERT_TRUE(make_synthetic_gguf(wide, path).has_value());
    ASSERT_TRUE(requantise_gguf(path, exact, "F32").has_value());
    const std::vector<Request> requests = mixed_scores();
    const Answers quantised = ask(*load_synthetic(path), requests), written_out = ask(*load_synthetic(exact), requests);
    double sum = 0;
    for (const Request& request : requests)
      sum += std::abs(quantised.by_id.at(request.id).logprob_nats - written_out.by_id.at(request.id).logprob_nats);
    EXPECT_LT(sum / static_cast<double>(requests.size()), 0.05) << type;
  }
}

TEST_P(EverySession, ExactScoresDoNotDependOnCompany) {
  auto engine = load();
  ASSERT_TRUE(engine);
  SessionOptions exact;
  exact.exact = true;
  const std::vector<Request> requests = mixed_scores();
  const Answers all = ask(*engine, requests, exact);
  for (size_t i : {0u, 7u, 30u, 50u}) {
    const Answers one = ask(*engine, {requests[i]}, exact);
    EXPECT_EQ(one.by_id.at(requests[i].id).logprob_nats, all.by_id.at(requests[i].id).logprob_nats) << i;
  }
}

TEST_P(EverySession, GenerationsAloneEqualThoseInCompany) {
  auto engine = load();
  ASSERT_TRUE(engine);
  PyRandom random(9);
  const std::string preamble = words(random, 80);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 14; ++id) {
    const int n_new = 4 + static_cast<int>(random.randbelow(20));
    requests.push_back(generate_request(id, (id % 2 ? preamble : "") + words(random, 3 + static_cast<int>(id)), n_new));
    requests.back().want_token_logprobs = true;
  }
  const Answers together = ask(*engine, requests);
  SessionOptions exact;
  exact.exact = true;
  const Answers alone = ask(*engine, requests, exact);
  int n_cached = 0;
  for (const Request& request : requests) {
    const Response& a = together.by_id.at(request.id);
    const Response& b = alone.by_id.at(request.id);
    ASSERT_EQ(a.failure, EngineFailure::none) << a.failure_message;
    ASSERT_EQ(b.failure, EngineFailure::none) << b.failure_message;
    ASSERT_EQ(a.token_logprobs.size(), static_cast<size_t>(a.n_new_tokens));
    for (size_t k = 0; k < std::min(a.token_logprobs.size(), b.token_logprobs.size()); ++k) {
      // Where the two part, it must be at a near-tie.
      ASSERT_NEAR(a.token_logprobs[k].logprob_nats, b.token_logprobs[k].logprob_nats, 5e-3) << request.id << " " << k;
      if (a.token_logprobs[k].token != b.token_logprobs[k].token) break;
    }
    n_cached += a.n_cached_tokens;
    EXPECT_EQ(b.n_cached_tokens, 0);
  }
  EXPECT_GT(n_cached, 300);  // the preamble was decoded for a few, not for seven
  EXPECT_LT(together.stats.n_batches, alone.stats.n_batches);
}

// A greedy answer, scored afterwards as a continuation, has the log-likelihood that its tokens had, and is greedy.
TEST_P(EverySession, GenerationAgreesWithScores) {
  auto engine = load();
  ASSERT_TRUE(engine);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 60; ++id) {
    requests.push_back(generate_request(id, "the sand and the water " + std::to_string(id), 1 + static_cast<int>(id % 3)));
    requests.back().want_token_logprobs = true;
  }
  const Answers generated = ask(*engine, requests);
  int n_compared = 0;
  for (const Request& request : requests) {
    const Response& answer = generated.by_id.at(request.id);
    const std::string prompt = std::get<std::string>(request.prompt);
    std::vector<TokenId> tokens = engine->tokenize(prompt, true, true).value();
    double sum = 0;
    for (const TokenLogprob& token : answer.token_logprobs) {
      sum += token.logprob_nats;
      tokens.push_back(token.token);
    }
    // Only where the text splits into the same tokens again; random models like to write half characters.
    if (engine->tokenize(prompt + answer.text, true, true).value() != tokens) continue;
    const Response scored = ask(*engine, {score_request(1, prompt, answer.text)}).by_id.at(1);
    EXPECT_NEAR(scored.logprob_nats, sum, 1e-3);
    EXPECT_TRUE(scored.is_greedy);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST_P(EverySession, RollingEqualsTheSumOfItsWindows) {
  Preset preset;
  preset.max_model_len = 64;
  auto engine = load_synthetic(synthetic_model(GetParam()), preset);
  ASSERT_TRUE(engine);
  PyRandom random(21);
  const std::string text = words(random, 90);
  const std::vector<TokenId> tokens = engine->tokenize(text, true, true).value();
  ASSERT_GT(tokens.size(), 150u);
  Request rolling;
  rolling.id = 1;
  rolling.kind = RequestKind::loglikelihood_rolling;
  rolling.prompt = text;
  rolling.want_token_logprobs = true;
  SessionOptions exact;
  exact.exact = true;
  const Response whole = ask(*engine, {rolling}).by_id.at(1);
  const Response same = ask(*engine, {rolling}, exact).by_id.at(1);
  ASSERT_EQ(whole.finish, FinishReason::scored) << whole.failure_message;
  EXPECT_EQ(whole.n_new_tokens, static_cast<int>(tokens.size()));
  ASSERT_EQ(whole.token_logprobs.size(), tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(whole.token_logprobs[i].token, tokens[i]);
  EXPECT_NEAR(whole.logprob_nats, same.logprob_nats, 0.05);
  // The second window alone: 64 tokens predicted from the one before them.
  Request first = rolling;
  first.prompt = std::vector<TokenId>(tokens.begin(), tokens.begin() + 64);
  const Response window = ask(*engine, {first}).by_id.at(1);
  double sum = 0;
  for (size_t i = 0; i < 64; ++i) sum += whole.token_logprobs[i].logprob_nats;
  EXPECT_NEAR(window.logprob_nats, sum, 0.05);
}

TEST_P(EverySession, SamplingDependsOnSeedAndRepeatOnly) {
  auto engine = load();
  ASSERT_TRUE(engine);
  auto sampled = [&](RequestId id, uint64_t seed, int repeat) {
    Request request = generate_request(id, "the water is", 24);
    request.sampling.temperature = 1;
    request.sampling.top_p = 0.95;
    request.sampling.top_k = 50;
    request.sampling.seed = seed;
    request.repeat = repeat;
    return request;
  };
  std::vector<Request> crowd;
  for (RequestId id = 10; id < 18; ++id) crowd.push_back(sampled(id, 7, static_cast<int>(id)));
  crowd.push_back(sampled(1, 7, 0));
  crowd.push_back(sampled(2, 8, 0));
  SessionOptions exact;
  exact.exact = true;  // the same numbers, so that only the draws are compared
  const Answers a = ask(*engine, crowd, exact);
  const Answers b = ask(*engine, {sampled(99, 7, 0)}, exact);
  EXPECT_EQ(a.by_id.at(1).text, b.by_id.at(99).text);
  EXPECT_NE(a.by_id.at(1).text, a.by_id.at(2).text);
  EXPECT_NE(a.by_id.at(10).text, a.by_id.at(11).text);
}

TEST_P(EverySession, CancelAndBadRequestsLeaveTheRestAlone) {
  auto engine = load();
  ASSERT_TRUE(engine);
  auto session = engine->open_session({}).value();
  for (RequestId id = 1; id <= 4; ++id) ASSERT_TRUE(session->submit(generate_request(id, "long", 900)).value());
  ASSERT_TRUE(session->submit(generate_request(5, "short", 3)).value());
  Request bad = generate_request(6, "", 3);
  bad.prompt = std::vector<TokenId>{1, -5, 1 << 30};
  ASSERT_TRUE(session->submit(bad).value());
  ASSERT_TRUE(session->submit(generate_request(7, "too long", 5000)).value());
  ASSERT_TRUE(session->submit(generate_request(8, "nothing wanted", 0)).value());
  Request schema = generate_request(9, "x", 3);
  schema.json_schema = "{\"type\": 7";
  ASSERT_TRUE(session->submit(schema).value());
  ASSERT_TRUE(session->submit(score_request(10, "no continuation", "")).value());
  std::map<RequestId, Response> got;
  while (got.size() < 6) {
    auto response = session->next(std::chrono::milliseconds(30000));
    ASSERT_TRUE(response);
    got[response->id] = *response;
  }
  EXPECT_EQ(got.at(5).failure, EngineFailure::none);
  EXPECT_EQ(got.at(6).failure, EngineFailure::unsupported);
  EXPECT_EQ(got.at(7).failure, EngineFailure::context_too_long);
  EXPECT_EQ(got.at(8).finish, FinishReason::length);
  EXPECT_EQ(got.at(9).failure, EngineFailure::unsupported);
  EXPECT_EQ(got.at(10).failure, EngineFailure::unsupported);
  session->cancel(2);
  auto response = session->next(std::chrono::milliseconds(30000));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->id, 2u);
  EXPECT_EQ(response->finish, FinishReason::cancelled);
  session->cancel_all();
  ASSERT_TRUE(session->submit(generate_request(11, "afterwards", 3)).value());
  ASSERT_TRUE(session->submit(score_request(12, "afterwards", " too")).value());
  session->close_input();
  int n_cancelled = 0, n_ok = 0;
  while (!session->finished()) {
    auto next = session->next(std::chrono::milliseconds(1000));
    if (!next) continue;
    n_cancelled += next->finish == FinishReason::cancelled;
    n_ok += next->id >= 11 && next->failure == EngineFailure::none && next->finish != FinishReason::cancelled;
  }
  EXPECT_EQ(n_cancelled, 3);
  EXPECT_EQ(n_ok, 2);
}

TEST_P(EverySession, ScoresSurviveCancellationsInTheMiddle) {
  auto engine = load(32);
  ASSERT_TRUE(engine);
  const std::vector<Request> requests = mixed_scores();
  const Answers expected = ask(*engine, requests);
  auto session = engine->open_session({}).value();
  for (const Request& request : requests) ASSERT_TRUE(session->submit(request).value());
  session->close_input();
  int n_seen = 0;
  while (!session->finished()) {
    auto response = session->next(std::chrono::milliseconds(1000));
    if (!response) continue;
    if (++n_seen == 3) {
      session->cancel(20);
      session->cancel(21);
      session->cancel(50);
    }
    if (response->finish == FinishReason::cancelled) continue;
    ASSERT_EQ(response->finish, FinishReason::scored) << response->failure_message;
    EXPECT_NEAR(response->logprob_nats, expected.by_id.at(response->id).logprob_nats, 0.01);
  }
  EXPECT_EQ(n_seen, static_cast<int>(requests.size()));
}

TEST_P(EverySession, LongerRequestsGrowTheCacheAndPromptsAreLeftTruncated) {
  auto engine = load(64, 3);
  ASSERT_TRUE(engine);
  PyRandom random(31);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 6; ++id) requests.push_back(generate_request(id, words(random, 5), 4));
  requests.push_back(generate_request(7, words(random, 200), 300));
  requests.push_back(generate_request(8, words(random, 3000), 50));
  requests.push_back(score_request(9, words(random, 3000), " end"));
  const Answers answers = ask(*engine, requests);
  for (const auto& [id, response] : answers.by_id) EXPECT_EQ(response.failure, EngineFailure::none) << id << response.failure_message;
  EXPECT_FALSE(answers.by_id.at(7).truncated_prompt);
  EXPECT_TRUE(answers.by_id.at(8).truncated_prompt);
  EXPECT_EQ(answers.by_id.at(8).n_prompt_tokens, 1024 - 50);
  EXPECT_TRUE(answers.by_id.at(9).truncated_prompt);
}

TEST(LlamaSession, StopStringsCutAcrossTokens) {
  auto engine = load_synthetic(synthetic_model("qwen3"));
  ASSERT_TRUE(engine);
  const Response free = ask(*engine, {generate_request(1, "the water", 60)}).by_id.at(1);
  ASSERT_GT(free.text.size(), 20u);
  const std::string stop = free.text.substr(10, 5);
  const Response cut = ask(*engine, {generate_request(1, "the water", 60, {"never there", stop})}).by_id.at(1);
  EXPECT_EQ(cut.finish, FinishReason::stop_string);
  EXPECT_EQ(cut.stop_string, stop);
  EXPECT_EQ(cut.text, free.text.substr(0, free.text.find(stop)));
  EXPECT_LT(cut.n_new_tokens, free.n_new_tokens);
}

TEST(LlamaSession, JsonSchemaHoldsEvenForARandomModel) {
  auto engine = load_synthetic(synthetic_model("qwen3"));
  ASSERT_TRUE(engine);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 4; ++id) {
    Request request = generate_request(id, "answer", 200);
    request.json_schema = R"({"type":"object","properties":{"ok":{"type":"boolean"},"n":{"enum":[1,2,3]}},"required":["ok","n"],"additionalProperties":false})";
    if (id > 1) request.sampling.temperature = 1.5;
    request.repeat = static_cast<int>(id);
    requests.push_back(request);
  }
  for (const auto& [id, response] : ask(*engine, requests).by_id) {
    ASSERT_EQ(response.finish, FinishReason::end_of_turn) << response.text << response.failure_message;
    auto parsed = parse_json(response.text);
    ASSERT_TRUE(parsed.has_value()) << response.text;
    EXPECT_TRUE((*parsed)["ok"].is_boolean());
    EXPECT_TRUE((*parsed)["n"].is_number());
  }
}

// A chat is rendered, and the newline at its end moves into the continuation as lm-eval does with text.
TEST(LlamaSession, ChatPromptsEqualTheirRenderedText) {
  auto engine = load_synthetic(synthetic_model("qwen3"));
  ASSERT_TRUE(engine);
  ChatPrompt chat;
  chat.messages = {{"system", "Be brief.", nullptr}, {"user", "the water?", nullptr}};
  chat.enable_thinking = false;
  const std::string text = engine->render(chat)->text;
  EXPECT_EQ(text, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nthe water?<|im_end|>\n"
                  "<|im_start|>assistant\n<think>\n\n</think>\n\n");
  Request scored = score_request(1, "", "yes"), generated = generate_request(3, "", 8);
  scored.prompt = generated.prompt = chat;
  const Answers answers = ask(*engine, {scored, score_request(2, text, "yes"), generated, generate_request(4, text, 8)});
  EXPECT_NEAR(answers.by_id.at(1).logprob_nats, answers.by_id.at(2).logprob_nats, 1e-6);
  EXPECT_EQ(answers.by_id.at(1).n_new_tokens, 2 + 2);  // two newlines, "y", "es"
  EXPECT_EQ(answers.by_id.at(3).text, answers.by_id.at(4).text);
  EXPECT_EQ(answers.by_id.at(3).n_prompt_tokens, static_cast<int>(engine->tokenize(text, true, true)->size()));
}

// What Qwen2's own tokenizer gives (its vocabulary ships with llama.cpp): specials parsed, no BOS, composed characters.
TEST(LlamaSession, TokenizesAsQwen) {
  SyntheticModelOptions options = tiny_options("qwen2");
  options.vocab_gguf = QEVAL_SOURCE_DIR "/.deps/llama.cpp/models/ggml-vocab-qwen2.gguf";
  if (!file_exists(options.vocab_gguf)) GTEST_SKIP() << "no vocabulary file";
  options.like.tied_embeddings = true;
  options.d_model = 32;
  options.type = "BF16";
  const std::string path = temp_path("qwen2-vocab.gguf");
  ASSERT_TRUE(make_synthetic_gguf(options, path));
  auto engine = load_synthetic(path);
  ASSERT_TRUE(engine);
  EXPECT_EQ(engine->tokenize("Hello world", true, true).value(), (std::vector<TokenId>{9707, 1879}));
  EXPECT_EQ(engine->tokenize("<|im_start|>user\n", true, true).value(), (std::vector<TokenId>{151644, 872, 198}));
  EXPECT_EQ(engine->tokenize("", true, true).value(), std::vector<TokenId>{});
  // e + combining acute is one letter to the Hugging Face tokenizer, which normalises to NFC.
  EXPECT_EQ(engine->tokenize("caf\x65\xCC\x81", true, true).value(), engine->tokenize("caf\xC3\xA9", true, true).value());
  EXPECT_EQ(engine->tokenize("\xFF\xFE invalid", true, true).has_value(), true);
}

TEST(LlamaSession, StopStringThatIsAControlToken) {
  auto engine = load_synthetic(synthetic_model("qwen3"));
  ASSERT_TRUE(engine);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 40; ++id) {
    requests.push_back(generate_request(id, "go " + std::to_string(id), 200, {"<|im_start|>"}));
    requests.back().sampling.temperature = 3;  // close to uniform: control tokens come up
  }
  int n_stopped = 0;
  for (const auto& [id, response] : ask(*engine, requests).by_id) {
    ASSERT_EQ(response.failure, EngineFailure::none);
    n_stopped += response.stop_string == "<|im_start|>";
    EXPECT_EQ(response.text.find("<|im_start|>"), std::string::npos);
  }
  EXPECT_GT(n_stopped, 0);
}

TEST(LlamaSession, PenaltiesChangeTheAnswer) {
  auto engine = load_synthetic(synthetic_model("qwen3"));
  ASSERT_TRUE(engine);
  Request plain = generate_request(1, "the the the", 40);
  Request penalised = plain;
  penalised.id = 2;
  penalised.sampling.presence_penalty = 100;  // no token twice
  penalised.want_token_logprobs = true;
  const Answers answers = ask(*engine, {plain, penalised});
  std::set<TokenId> seen;
  for (const TokenLogprob& token : answers.by_id.at(2).token_logprobs) EXPECT_TRUE(seen.insert(token.token).second);
  EXPECT_NE(answers.by_id.at(1).text, answers.by_id.at(2).text);
}

TEST(LlamaSession, ManyMoreRequestsThanSlotsWithBackPressure) {
  Preset preset;
  preset.max_num_seqs = 5;
  auto engine = load_synthetic(synthetic_model("qwen2"), preset);
  ASSERT_TRUE(engine);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 60; ++id) {
    requests.push_back(id % 3 ? generate_request(id, "prompt " + std::to_string(id), 3 + static_cast<int>(id % 9))
                              : score_request(id, "context " + std::to_string(id % 4), " answer"));
    requests.back().priority = static_cast<int>(id % 2);
  }
  SessionOptions options;
  options.max_pending = 16;
  const Answers answers = ask(*engine, requests, options);
  for (const auto& [id, response] : answers.by_id) EXPECT_EQ(response.failure, EngineFailure::none) << id;
}

TEST(LlamaSession, DestroyingABusySessionReturns) {
  auto engine = load_synthetic(synthetic_model("qwen35"));
  ASSERT_TRUE(engine);
  auto session = engine->open_session({}).value();
  for (RequestId id = 1; id <= 30; ++id) ASSERT_TRUE(session->submit(generate_request(id, "busy", 1500)).value());
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  session.reset();
}

}  // namespace
}  // namespace qeval
