// Against lm-evaluation-harness on the same weights (SmolLM2-135M-Instruct in F32): see the README beside the samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "qeval/engine/llama/llama_engine.h"
#include "qeval/text/unicode.h"
#include "qeval/util/file.h"
#include "session_support.h"

namespace qeval {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}
bool full() { return !environment("QEVAL_TEST_FULL").empty(); }

std::vector<Json> samples(const std::string& name, size_t limit) {
  std::string dir = environment("QEVAL_PARITY_DIR");
  if (dir.empty()) dir = QEVAL_SOURCE_DIR "/../shared/parity";
  std::vector<Json> out;
  std::set<int64_t> seen;  // a line per doc and filter
  auto text = read_file(dir + "/" + name + ".samples.jsonl");
  if (!text) return out;
  for (size_t at = 0; at < text->size() && out.size() < limit;) {
    size_t end = text->find('\n', at);
    if (end == std::string::npos) end = text->size();
    if (end > at) {
      Json line = parse_json(std::string_view(*text).substr(at, end - at)).value();
      if (seen.insert(line["doc_id"].get<int64_t>()).second) out.push_back(std::move(line));
    }
    at = end + 1;
  }
  return out;
}

class Parity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string path = environment("QEVAL_TEST_F32_GGUF");
    if (path.empty() || !file_exists(path)) return;
    LlamaOptions options;
    options.model_path = path;
    options.preset.max_model_len = 8192;
    options.preset.max_num_seqs = 16;
    auto loaded = load_llama_engine(options);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    engine_ = std::move(*loaded);
  }
  static void TearDownTestSuite() { engine_.reset(); }
  void SetUp() override {
    if (!engine_) GTEST_SKIP() << "QEVAL_TEST_F32_GGUF names no file";
  }
  static inline std::unique_ptr<Engine> engine_;

  void check_choices(const std::string& name, size_t n_docs);
  void check_generations(const std::string& name, size_t n_docs, double near_tie);
};

std::string arg(const Json& line, size_t i, const char* key) {
  return line["arguments"]["gen_args_" + std::to_string(i)][key].get<std::string>();
}

void Parity::check_choices(const std::string& name, size_t n_docs) {
  const std::vector<Json> docs = samples(name, full() ? 100000 : n_docs);
  if (docs.empty()) GTEST_SKIP() << "no parity data for " << name;
  std::vector<Request> requests;
  for (size_t d = 0; d < docs.size(); ++d)
    for (size_t i = 0; i < docs[d]["resps"].size(); ++i)
      requests.push_back(score_request(d * 100 + i, arg(docs[d], i, "arg_0"), arg(docs[d], i, "arg_1")));
  const Answers answers = ask(*engine_, requests);
  std::vector<double> differences;
  int n_acc_equal = 0, n_norm_equal = 0, n_greedy_different = 0;
  for (size_t d = 0; d < docs.size(); ++d) {
    std::vector<double> ours, theirs, ours_norm, theirs_norm;
    for (size_t i = 0; i < docs[d]["resps"].size(); ++i) {
      const Response& response = answers.by_id.at(d * 100 + i);
      ASSERT_EQ(response.failure, EngineFailure::none) << response.failure_message;
      const double expected = std::stod(docs[d]["resps"][i][0][0].get<std::string>());
      differences.push_back(std::abs(response.logprob_nats - expected));
      n_greedy_different += response.is_greedy != (docs[d]["resps"][i][0][1] == "True");
      std::string choice = arg(docs[d], i, "arg_1");
      if (choice.rfind(' ', 0) == 0) choice.erase(0, 1);
      const double length = static_cast<double>(n_code_points(choice));
      ours.push_back(response.logprob_nats);
      theirs.push_back(expected);
      ours_norm.push_back(response.logprob_nats / length);
      theirs_norm.push_back(expected / length);
    }
    auto best = [](const std::vector<double>& v) { return std::max_element(v.begin(), v.end()) - v.begin(); };
    auto agree = [&](const std::vector<double>& a, const std::vector<double>& b) {
      if (best(a) == best(b)) return true;
      const double gap = b[static_cast<size_t>(best(b))] - b[static_cast<size_t>(best(a))];
      EXPECT_LT(gap, 0.01) << name << " doc " << d;
      return false;
    };
    n_acc_equal += agree(ours, theirs);
    n_norm_equal += agree(ours_norm, theirs_norm);
  }
  std::sort(differences.begin(), differences.end());
  const double median = differences[differences.size() / 2], max = differences.back();
  std::printf("[parity] %s: %zu docs, |difference| median %.5f max %.5f, same argmax acc %d acc_norm %d, "
              "greedy flag differs %d; decoded %lld tokens in %lld batches, %.1f s busy\n",
              name.c_str(), docs.size(), median, max, n_acc_equal, n_norm_equal, n_greedy_different,
              static_cast<long long>(answers.stats.n_decoded_tokens), static_cast<long long>(answers.stats.n_batches),
              answers.stats.busy_s);
  // The bounds promised to users are 0.01 and 0.06; with attention in F32 far less is left.
  EXPECT_LT(median, 0.001);
  EXPECT_LT(max, 0.01);
}

TEST_F(Parity, ArcChallenge) { check_choices("arc_challenge", 60); }
TEST_F(Parity, Hellaswag) { check_choices("hellaswag", 60); }
TEST_F(Parity, ArcChallengeChatTemplate) { check_choices("arc_challenge_chat_template", 60); }

// The prompts that lm-eval rendered, taken apart into messages and rendered again by us.
TEST_F(Parity, RendersChatPromptsToTheByte) {
  int n = 0;
  for (const char* name : {"arc_challenge_chat_template", "gsm8k_chat"}) {
    for (const Json& line : samples(name, 100000)) {
      const std::string expected = arg(line, 0, "arg_0");
      const std::string start = "<|im_start|>", end = "<|im_end|>\n";
      ChatPrompt chat;
      for (size_t at = expected.find(start); at != std::string::npos; at = expected.find(start, at + 1)) {
        const size_t newline = expected.find('\n', at), close = expected.find(end, at);
        if (close == std::string::npos) break;
        chat.messages.push_back({expected.substr(at + start.size(), newline - at - start.size()),
                                 expected.substr(newline + 1, close - newline - 1), nullptr});
      }
      EXPECT_EQ(engine_->render(chat)->text, expected);
      chat.messages.erase(chat.messages.begin());  // the template puts its default system message back
      EXPECT_EQ(engine_->render(chat)->text, expected);
      ++n;
    }
  }
  std::printf("[parity] %d chat prompts rendered alike\n", n);
}

// How much more likely the model finds its own next token than the other's where two answers part: small at a near-tie.
double gap_at_fork(Engine& engine, const std::string& prompt, std::string ours, std::string theirs) {
  // One may end where the other goes on.
  ours += "<|im_end|>";
  theirs += "<|im_end|>";
  size_t same = 0;
  while (same < ours.size() && same < theirs.size() && ours[same] == theirs[same]) ++same;
  // The text up to and with the first token that differs: the shortest cut whose tokens begin the whole answer's.
  auto cut = [&](const std::string& text) {
    const std::vector<TokenId> whole = engine.tokenize(prompt + text, true, true).value();
    for (size_t end = same + 1; end < text.size(); ++end) {
      const std::vector<TokenId> part = engine.tokenize(prompt + text.substr(0, end), true, true).value();
      if (part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin())) return text.substr(0, end);
    }
    return text;
  };
  const Answers answers = ask(engine, {score_request(1, prompt, cut(ours)), score_request(2, prompt, cut(theirs))});
  return std::abs(answers.by_id.at(1).logprob_nats - answers.by_id.at(2).logprob_nats);
}

void Parity::check_generations(const std::string& name, size_t n_docs, double near_tie) {
  const std::vector<Json> docs = samples(name, full() ? 100000 : n_docs);
  if (docs.empty()) GTEST_SKIP() << "no parity data for " << name;
  std::vector<Request> requests;
  for (size_t d = 0; d < docs.size(); ++d) {
    const Json& options = docs[d]["arguments"]["gen_args_0"]["arg_1"];
    Request request = generate_request(d, arg(docs[d], 0, "arg_0"), static_cast<int>(json_int(options, "max_gen_toks", 256)));
    for (const Json& stop : options["until"]) request.until.push_back(stop.get<std::string>());
    requests.push_back(std::move(request));
  }
  const Answers answers = ask(*engine_, requests);
  int n_equal = 0;
  for (size_t d = 0; d < docs.size(); ++d) {
    const Response& response = answers.by_id.at(d);
    ASSERT_EQ(response.failure, EngineFailure::none) << response.failure_message;
    const std::string expected = docs[d]["resps"][0][0].get<std::string>();
    if (response.text == expected) {
      ++n_equal;
      continue;
    }
    const double gap = gap_at_fork(*engine_, arg(docs[d], 0, "arg_0"), response.text, expected);
    std::printf("[parity] %s doc %zu parts from lm-eval: finish %s, gap %.4f\n", name.c_str(), d,
                to_string(response.finish), gap);
    EXPECT_LT(gap, near_tie) << name << " doc " << d << "\nours:   " << response.text << "\ntheirs: " << expected;
  }
  std::printf("[parity] %s: %d of %zu generations equal; decoded %lld tokens in %lld batches, %.1f s busy\n", name.c_str(),
              n_equal, docs.size(), static_cast<long long>(answers.stats.n_decoded_tokens),
              static_cast<long long>(answers.stats.n_batches), answers.stats.busy_s);
  EXPECT_GE(n_equal * 2, static_cast<int>(docs.size()));
}

TEST_F(Parity, Gsm8kGenerations) { check_generations("gsm8k", 4, 0.05); }
TEST_F(Parity, Gsm8kChatGenerations) { check_generations("gsm8k_chat", 2, 0.05); }
TEST_F(Parity, HumanevalGenerations) { check_generations("humaneval", 8, 0.05); }

}  // namespace
}  // namespace qeval
