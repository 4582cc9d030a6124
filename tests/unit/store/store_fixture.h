#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "qeval/store/database.h"
#include "qeval/store/store.h"

namespace qeval {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "qeval-store-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    folder_ = pattern;
    path_ = folder_ + "/qeval.db";
  }
  ~StoreTest() override {
    std::error_code ec;
    std::filesystem::remove_all(folder_, ec);
  }

  static std::unique_ptr<Store> open(const std::string& path, StoreOptions options = {}) {
    auto store = open_store(path, options);
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }
  static Error open_error(const std::string& path, StoreOptions options = {}) {
    auto store = open_store(path, options);
    if (store) {
      ADD_FAILURE() << path << " was opened";
      return {};
    }
    return store.error();
  }
  static RunRecord record(const std::string& key = "key") {
    RunRecord run;
    run.run_key = key;
    run.model_id = "smollm2-135m";
    run.weights_key = "sha256:abc";
    run.engine = "fake";
    run.preset = "balanced";
    run.suite = "tracker";
    run.spec = {{"seed", 1234}, {"limit", nullptr}};
    run.environment = {{"cpu", "test"}};
    run.started_ms = 1700000000000;
    return run;
  }
  static RunId begin(Store& store, const std::string& key = "key", bool fresh = false) {
    auto run = store.begin_run(record(key), fresh);
    if (!run) ADD_FAILURE() << run.error().message;
    return run ? run->id : 0;
  }
  static Request request(const std::string& prompt) {
    Request out;
    out.prompt = prompt;
    out.until = {"\n\n", "Question:"};
    return out;
  }
  static Response answer(const std::string& text) {
    Response out;
    out.finish = FinishReason::end_of_turn;
    out.text = text;
    out.n_new_tokens = 3;
    out.total_s = 0.25;
    return out;
  }
  static std::string key(const std::string& prompt) {
    return reuse_key(request(prompt), {{"sha256", "abc"}}, {{"name", "fake"}});
  }
  static void put(Store& store, RunId run, int64_t doc_id, const std::string& prompt, const std::string& text) {
    Status status = store.put_response(run, {"task", doc_id, 0}, key(prompt), request(prompt), answer(text));
    if (!status) ADD_FAILURE() << status.error().message;
  }
  static std::vector<SampleRecord> samples(Store& store, RunId run, const std::string& task = "task") {
    std::vector<SampleRecord> out;
    Status status = store.for_each_sample(run, task, [&](SampleRecord&& sample) {
      out.push_back(std::move(sample));
      return true;
    });
    if (!status) ADD_FAILURE() << status.error().message;
    return out;
  }
  static StoreCheck checked(Store& store) {
    auto check = store.check();
    if (!check) {
      ADD_FAILURE() << check.error().message;
      return {};
    }
    return *check;
  }

  std::string folder_, path_;
};

inline bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

inline void expect_same(const Response& a, const Response& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.finish, b.finish);
  EXPECT_EQ(a.failure, b.failure);
  EXPECT_EQ(a.failure_message, b.failure_message);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.stop_string, b.stop_string);
  EXPECT_TRUE(same_bits(a.logprob_nats, b.logprob_nats)) << a.logprob_nats << " " << b.logprob_nats;
  EXPECT_EQ(a.is_greedy, b.is_greedy);
  EXPECT_EQ(a.n_prompt_tokens, b.n_prompt_tokens);
  EXPECT_EQ(a.n_cached_tokens, b.n_cached_tokens);
  EXPECT_EQ(a.n_new_tokens, b.n_new_tokens);
  ASSERT_EQ(a.token_logprobs.size(), b.token_logprobs.size());
  for (size_t i = 0; i < a.token_logprobs.size(); ++i) {
    EXPECT_EQ(a.token_logprobs[i].token, b.token_logprobs[i].token);
    EXPECT_TRUE(same_bits(a.token_logprobs[i].logprob_nats, b.token_logprobs[i].logprob_nats));
  }
  EXPECT_TRUE(same_bits(a.queue_s, b.queue_s));
  EXPECT_TRUE(same_bits(a.first_token_s, b.first_token_s));
  EXPECT_TRUE(same_bits(a.total_s, b.total_s));
  EXPECT_EQ(a.truncated_prompt, b.truncated_prompt);
}

inline void expect_same(const Request& a, const Request& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.prompt, b.prompt);
  EXPECT_EQ(a.continuation, b.continuation);
  EXPECT_EQ(a.max_new_tokens, b.max_new_tokens);
  EXPECT_EQ(a.until, b.until);
  EXPECT_EQ(a.sampling, b.sampling);
  EXPECT_EQ(a.repeat, b.repeat);
  EXPECT_EQ(a.want_token_logprobs, b.want_token_logprobs);
  EXPECT_EQ(a.json_schema, b.json_schema);
}

}  // namespace qeval
