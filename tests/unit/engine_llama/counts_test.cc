// No token is decoded twice, no batch half empty, no slot idle: what speed rests on, as counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "qeval/util/random.h"
#include "session_support.h"
#include "synthetic_support.h"

namespace qeval {
namespace {

// Distinct prefixes of all sequences: what has to be decoded at least.
int64_t trie_size(std::vector<std::vector<TokenId>> sequences) {
  std::sort(sequences.begin(), sequences.end());
  int64_t n = 0;
  const std::vector<TokenId>* before = nullptr;
  for (const auto& s : sequences) {
    size_t shared = 0;
    while (before && shared < std::min(before->size(), s.size()) && (*before)[shared] == s[shared]) ++shared;
    n += static_cast<int64_t>(s.size() - shared);
    before = &s;
  }
  return n;
}

std::string words(PyRandom& random, int n) {
  static const std::vector<std::string> list = {"The ", "man ", "puts ", "water ", "in ", "sand, ", "one ", "then ", "4 ", "she "};
  std::string out;
  for (int i = 0; i < n; ++i) out += random.choice(list);
  return out;
}

// Docs with four choices each, as HellaSwag has them: some share their first words, and the choices theirs.
std::vector<Request> choice_requests(int n_docs, const std::string& preamble, uint64_t seed) {
  PyRandom random(seed);
  std::vector<Request> out;
  for (int doc = 0; doc < n_docs; ++doc) {
    const std::string context = preamble + words(random, 5 + static_cast<int>(random.randbelow(12))) + "Then";
    for (int choice = 0; choice < 4; ++choice)
      out.push_back(score_request(out.size() + 1, context, " " + words(random, 2 + static_cast<int>(random.randbelow(8))) + "."));
  }
  return out;
}

int64_t score_trie(const Engine& engine, const std::vector<Request>& requests) {
  std::vector<std::vector<TokenId>> inputs;
  for (const Request& r : requests) {
    inputs.push_back(engine.tokenize(std::get<std::string>(r.prompt) + r.continuation, true, true).value());
    inputs.back().pop_back();
  }
  return trie_size(std::move(inputs));
}

int64_t generation_trie(const Engine& engine, const std::vector<Request>& requests, const Answers& answers) {
  std::vector<std::vector<TokenId>> inputs;
  for (const Request& r : requests) {
    inputs.push_back(engine.tokenize(std::get<std::string>(r.prompt), true, true).value());
    const auto& tokens = answers.by_id.at(r.id).token_logprobs;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) inputs.back().push_back(tokens[i].token);
  }
  return trie_size(std::move(inputs));
}

double share(int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

struct Model {
  const char* name;
  int n_ubatch;
};

class Counts : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override {
    Preset preset;
    preset.max_num_seqs = 8;
    preset.max_model_len = 1024;
    preset.llama = {{"n_ubatch", GetParam().n_ubatch}};
    const std::string name = GetParam().name;
    if (name != "smollm2") {
      engine_ = load_synthetic(synthetic_model(name), preset);
      return;
    }
    const char* path = std::getenv("QEVAL_TEST_GGUF");
    if (!path || !file_exists(path)) GTEST_SKIP() << "QEVAL_TEST_GGUF names no file";
    LlamaOptions options;
    options.model_path = path;
    options.preset = preset;
    auto loaded = load_llama_engine(options);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    engine_ = std::move(*loaded);
  }
  bool real() const { return std::string(GetParam().name) == "smollm2"; }
  bool hybrid() const { return std::string(GetParam().name) == "qwen35"; }
  std::unique_ptr<Engine> engine_;
};
INSTANTIATE_TEST_SUITE_P(Models, Counts, testing::Values(Model{"qwen3", 96}, Model{"qwen35", 96}, Model{"smollm2", 128}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_P(Counts, ScoringDecodesTheTrieOnceInFullBatches) {
  PyRandom random(3);
  for (const std::string& preamble : {std::string(), words(random, 40)}) {
    const std::vector<Request> requests = choice_requests(real() ? 12 : 60, preamble, 7);
    const Answers answers = ask(*engine_, requests);
    for (const auto& [id, response] : answers.by_id) ASSERT_EQ(response.finish, FinishReason::scored) << response.failure_message;
    const double decoded = share(answers.stats.n_decoded_tokens, score_trie(*engine_, requests));
    EXPECT_LE(decoded, 1.02);
    EXPECT_GE(decoded, 1.0);  // else the count is wrong
    ASSERT_GT(answers.stats.n_fill_room, 0);
    EXPECT_GE(share(answers.stats.n_fill_tokens, answers.stats.n_fill_room), 0.90);
  }
}

// Requests that come while others are decoded find less of their docs in the cache; the window must be wide enough.
TEST_P(Counts, ScoringThroughANarrowQueue) {
  const std::vector<Request> requests = choice_requests(real() ? 16 : 100, "", 11);
  SessionOptions options;
  options.max_pending = 64;
  const Answers answers = ask(*engine_, requests, options);
  EXPECT_LE(share(answers.stats.n_decoded_tokens, score_trie(*engine_, requests)), 1.25);
}

// One context that is longer than a micro-batch, then more work: the micro-batch that ends it is filled up.
TEST_P(Counts, LongContextsLeaveNoBatchHalfEmpty) {
  if (real()) GTEST_SKIP() << "the synthetic models show it";
  std::vector<Request> requests;
  PyRandom random(5);
  for (int doc = 0; doc < 8; ++doc) {
    const std::string context = words(random, 40) + "Answer:";
    for (const char* letter : {" A", " B", " C", " D"}) requests.push_back(score_request(requests.size() + 1, context, letter));
  }
  const Answers answers = ask(*engine_, requests);
  EXPECT_LE(share(answers.stats.n_decoded_tokens, score_trie(*engine_, requests)), 1.02);
  if (!hybrid()) {  // eight contexts are too few sequences
    EXPECT_GE(share(answers.stats.n_fill_tokens, answers.stats.n_fill_room), 0.90);
  }
}

TEST_P(Counts, PromptsGoThroughInFullBatches) {
  if (real()) GTEST_SKIP() << "the synthetic models show it";
  std::vector<Request> requests;
  int64_t n_tokens = 0;
  for (RequestId id = 1; id <= 8; ++id) {
    PyRandom random(id);
    requests.push_back(generate_request(id, words(random, 30 + 5 * static_cast<int>(id)), 1));
    n_tokens += static_cast<int64_t>(engine_->tokenize(std::get<std::string>(requests.back().prompt), true, true).value().size());
  }
  // Of unequal lengths: the ends are rectangles of what is left.
  EXPECT_LE(ask(*engine_, requests).stats.n_batches, 2 * n_tokens / GetParam().n_ubatch);
}

// The memory of a cache is touched once when it is made: not for answers that nobody asks for.
TEST_P(Counts, AFewAnswersGetACacheForAFew) {
  std::vector<Request> few, many;
  for (RequestId id = 1; id <= 20; ++id) (id <= 3 ? few : many).push_back(generate_request(id, "Go on " + std::to_string(id), 4));
  EXPECT_EQ(ask(*engine_, few).stats.n_streams, 3);
  EXPECT_EQ(ask(*engine_, many).stats.n_streams, 8);
}

TEST_P(Counts, GenerationDecodesTheTrieOnceWithBusySlots) {
  PyRandom random(9);
  const std::string preamble = words(random, 30);
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 40; ++id) {
    const std::string prompt = (id <= 24 ? preamble : std::to_string(id * 7919) + " ") + words(random, 3 + static_cast<int>(random.randbelow(10)));
    requests.push_back(generate_request(id, prompt, real() ? 8 : 6 + static_cast<int>(random.randbelow(20))));
    requests.back().want_token_logprobs = true;
  }
  const Answers answers = ask(*engine_, requests);
  for (const auto& [id, response] : answers.by_id) ASSERT_EQ(response.failure, EngineFailure::none) << response.failure_message;
  const double decoded = share(answers.stats.n_decoded_tokens, generation_trie(*engine_, requests, answers));
  EXPECT_LE(decoded, 1.05);
  EXPECT_GE(decoded, 1.0);
  ASSERT_GT(answers.stats.n_all_slots, 0);
  EXPECT_GE(share(answers.stats.n_busy_slots, answers.stats.n_all_slots), 0.95);
}

// Several samples of one prompt: the prompt is decoded for the first of them.
TEST_P(Counts, RepeatsShareTheirPrompt) {
  if (hybrid()) GTEST_SKIP() << "one prefix at a time can be forked";
  PyRandom random(13);
  std::vector<Request> requests;
  int64_t n_prompt = 0, n_new = 0;
  for (int doc = 0; doc < 6; ++doc) {
    const std::string prompt = words(random, 30);
    n_prompt += static_cast<int64_t>(engine_->tokenize(prompt, true, true)->size());
    for (int repeat = 0; repeat < 4; ++repeat) {
      requests.push_back(generate_request(requests.size() + 1, prompt, 6));
      requests.back().repeat = repeat;
      requests.back().sampling.temperature = 1;
    }
  }
  const Answers answers = ask(*engine_, requests);
  for (const auto& [id, response] : answers.by_id) n_new += response.n_new_tokens;
  // The last prompt token of each sample is decoded for its own logits.
  EXPECT_LE(answers.stats.n_decoded_tokens, n_prompt + n_new + static_cast<int64_t>(requests.size()));
}

int64_t status_kib(const char* key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0) return std::atoll(line.c_str() + std::string(key).size() + 1);
  return -1;
}

// Beyond weights and KV: logits on both sides of the copy, activations, requests and answers in flight.
TEST(Memory, StaysBelowTheBoundAtQwensVocabularyHoweverManyDocs) {
  SyntheticModelOptions options = tiny_options("qwen3");
  options.vocab_gguf = QEVAL_SOURCE_DIR "/.deps/llama.cpp/models/ggml-vocab-qwen2.gguf";
  if (!file_exists(options.vocab_gguf)) GTEST_SKIP() << "no vocabulary file";
  std::ofstream reset("/proc/self/clear_refs");
  if (!reset) GTEST_SKIP() << "the peak of memory cannot be reset here";
  options.like.tied_embeddings = true;
  options.like.n_layers = options.like.n_kv_layers = 1;
  options.d_model = 32;
  options.type = "BF16";
  const std::string path = temp_path("qwen-vocabulary.gguf");
  ASSERT_TRUE(make_synthetic_gguf(options, path));
  Preset preset;
  auto engine = load_synthetic(path, preset);
  ASSERT_TRUE(engine);
  int64_t beyond[2];
  for (int round = 0; round < 2; ++round) {
    // Every row of the first docs is read; the many that follow read one each.
    std::vector<Request> requests = choice_requests(20, "", 3);
    for (int doc = 0; doc < (round ? 10000 : 80); ++doc)
      requests.push_back(score_request(requests.size() + 1, "Q" + std::to_string(doc), " A"));
    for (int i = 0; i < 4; ++i) requests.push_back(generate_request(requests.size() + 1, "Go on " + std::to_string(i), 4));
    reset << "5" << std::flush;
    const int64_t before = status_kib("VmRSS:");
    const Answers answers = ask(*engine, requests);
    beyond[round] = status_kib("VmHWM:") - before - answers.stats.kv_bytes / 1024;
    EXPECT_GT(beyond[round], 0);
    EXPECT_LE(beyond[round], 500 * 1024);
  }
  EXPECT_LE(beyond[1], beyond[0] + 40 * 1024);  // the test keeps all answers itself
}

}  // namespace
}  // namespace qeval
