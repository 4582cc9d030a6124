#include <gtest/gtest.h>

#include <set>

#include "qeval/store/store.h"

namespace qeval {
namespace {

const Json kWeights = {{"sha256", "abc"}, {"quantization", "Q8_0"}};
const Json kEngine = {{"name", "llama"},
                      {"version", "b6000"},
                      {"build", "avx2"},
                      {"device", "CPU"},
                      {"settings", {{"n_ctx", 4096}, {"n_batch", 512}}}};

Request base() {
  Request request;
  request.prompt = "Question: 1+1?";
  request.until = {"\n"};
  return request;
}

TEST(ReuseKey, IsHexAndStable) {
  std::string key = reuse_key(base(), kWeights, kEngine);
  EXPECT_EQ(key.size(), 64u);
  EXPECT_EQ(key.find_first_not_of("0123456789abcdef"), std::string::npos);
  // Stored keys must stay valid: if this changes, kKeyVersion must, too, and everybody's answers are asked again.
  EXPECT_EQ(key, "3d562e1b6cda2454728bea66b81cefc3a3ebc31bca282b8da06c84781aca1e51");
}

TEST(ReuseKey, WhatChangesNoTokenIsLeftOut) {
  Request other = base();
  other.id = 99;
  other.priority = 3;
  other.conversation = 12;
  other.want_token_logprobs = true;
  other.sampling.top_p = 0.5;  // greedy: no effect
  other.sampling.seed = 5;
  EXPECT_EQ(reuse_key(other, kWeights, kEngine), reuse_key(base(), kWeights, kEngine));
  Json engine = kEngine;
  engine["preset"] = "performance";
  engine["base_url"] = "http://localhost:8000";
  engine["settings"]["timeout_s"] = 30;
  engine["settings"]["api_key"] = "secret";
  EXPECT_EQ(reuse_key(base(), kWeights, engine), reuse_key(base(), kWeights, kEngine));
}

TEST(ReuseKey, OrderOfKeysIsNoDifference) {
  Json engine = {{"settings", {{"n_batch", 512}, {"n_ctx", 4096}}},
                 {"device", "CPU"},
                 {"build", "avx2"},
                 {"version", "b6000"},
                 {"name", "llama"}};
  EXPECT_EQ(reuse_key(base(), kWeights, engine), reuse_key(base(), kWeights, kEngine));
}

TEST(ReuseKey, EverythingElseMakesADifference) {
  std::set<std::string> keys = {reuse_key(base(), kWeights, kEngine)};
  auto expect_new = [&](const Request& request, const Json& weights, const Json& engine, const char* what) {
    EXPECT_TRUE(keys.insert(reuse_key(request, weights, engine)).second) << what;
  };
  auto with = [](auto&& change) {
    Request request = base();
    change(request);
    return request;
  };
  expect_new(with([](Request& r) { r.prompt = "Question: 1+2?"; }), kWeights, kEngine, "prompt");
  expect_new(with([](Request& r) { r.prompt = std::vector<TokenId>{1, 2}; }), kWeights, kEngine, "tokens");
  expect_new(with([](Request& r) {
               r.prompt = ChatPrompt{{{"user", "Question: 1+1?", nullptr}}, nullptr, false, {}};
             }),
             kWeights, kEngine, "chat");
  expect_new(with([](Request& r) {
               r.prompt = ChatPrompt{{{"user", "Question: 1+1?", nullptr}}, nullptr, false, false};
             }),
             kWeights, kEngine, "thinking");
  expect_new(with([](Request& r) {
               r.kind = RequestKind::loglikelihood;
               r.continuation = " 2";
             }),
             kWeights, kEngine, "kind");
  expect_new(with([](Request& r) {
               r.kind = RequestKind::loglikelihood;
               r.continuation = " 3";
             }),
             kWeights, kEngine, "continuation");
  expect_new(with([](Request& r) { r.max_new_tokens = 257; }), kWeights, kEngine, "max_new_tokens");
  expect_new(with([](Request& r) { r.until = {"\n\n"}; }), kWeights, kEngine, "until");
  expect_new(with([](Request& r) { r.repeat = 1; }), kWeights, kEngine, "repeat");
  expect_new(with([](Request& r) { r.sampling.temperature = 0.1; }), kWeights, kEngine, "temperature");
  expect_new(with([](Request& r) {
               r.sampling.temperature = 0.1;
               r.sampling.seed = 7;
             }),
             kWeights, kEngine, "seed");
  expect_new(with([](Request& r) { r.json_schema = "{}"; }), kWeights, kEngine, "json_schema");
  expect_new(with([](Request& r) { r.prompt = "bytes \xfe"; }), kWeights, kEngine, "invalid byte fe");
  expect_new(with([](Request& r) { r.prompt = "bytes \xff"; }), kWeights, kEngine, "invalid byte ff");
  expect_new(with([](Request& r) { r.prompt = "bytes \xef\xbf\xbd"; }), kWeights, kEngine, "replacement character");
  expect_new(base(), {{"sha256", "abd"}, {"quantization", "Q8_0"}}, kEngine, "weights");
  for (const char* key : {"name", "version", "build", "device"}) {
    Json engine = kEngine;
    engine[key] = "other";
    expect_new(base(), kWeights, engine, key);
  }
  Json engine = kEngine;
  engine["settings"]["n_batch"] = 256;
  expect_new(base(), kWeights, engine, "setting");
}

}  // namespace
}  // namespace qeval
