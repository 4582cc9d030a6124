#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "scorer_testing.h"

namespace qeval {
namespace {

// lm-eval's own sample files: from its responses our scorer must reach its extracted answers and values.
std::vector<Json> samples_of(const std::string& name) {
  const char* dir = std::getenv("QEVAL_PARITY_DIR");
  auto text = read_file((dir ? std::string(dir) : std::string(QEVAL_SOURCE_DIR) + "/../shared/parity") + "/" + name);
  std::vector<Json> out;
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);)
    if (auto json = parse_json(line)) out.push_back(std::move(*json));
  return out;
}

class ChoiceParity : public testing::TestWithParam<const char*> {};
TEST_P(ChoiceParity, AccAndAccNormOfEveryDoc) {
  std::vector<Json> samples = samples_of(GetParam());
  if (samples.empty()) GTEST_SKIP() << "no parity data";
  TaskSpec spec;
  spec.scoring.output_type = OutputType::multiple_choice;
  auto scorer = make_scorer(spec, nullptr);
  std::vector<std::vector<Score>> all;
  double acc = 0, acc_norm = 0;
  for (const Json& line : samples) {
    Sample sample;
    sample.gold = {std::stoi(line["target"].get<std::string>())};
    std::vector<Response> responses;
    for (const auto& [key, argument] : line["arguments"].items()) {
      std::string continuation = argument["arg_1"];
      sample.choices.push_back(continuation.substr(continuation.starts_with(' ') ? 1 : 0));
      Response response;
      response.finish = FinishReason::scored;
      response.logprob_nats = std::stod(line["filtered_resps"][responses.size()][0].get<std::string>());
      responses.push_back(response);
    }
    sample.requests.resize(responses.size());
    all.push_back((*scorer)->score(sample, responses));
    EXPECT_EQ(metric_of(all.back()[0], "acc"), line["acc"].get<double>()) << line["doc_id"];
    EXPECT_EQ(metric_of(all.back()[0], "acc_norm"), line["acc_norm"].get<double>()) << line["doc_id"];
    acc += line["acc"].get<double>();
    acc_norm += line["acc_norm"].get<double>();
  }
  std::vector<MetricSummary> summary = summarise(spec, all);
  double n = static_cast<double>(samples.size());
  EXPECT_DOUBLE_EQ(summary.at(0).value, acc / n);
  EXPECT_DOUBLE_EQ(summary.at(1).value, acc_norm / n);
}
INSTANTIATE_TEST_SUITE_P(Files, ChoiceParity,
                         testing::Values("arc_challenge.samples.jsonl", "hellaswag.samples.jsonl",
                                         "arc_challenge_chat_template.samples.jsonl"));

class TextParity : public testing::TestWithParam<const char*> {};
TEST_P(TextParity, ExtractedAnswerAndExactMatchOfEveryDocAndFilter) {
  std::vector<Json> samples = samples_of(GetParam());
  if (samples.empty()) GTEST_SKIP() << "no parity data";
  auto scorer = make_scorer(gsm8k(), nullptr);
  for (const Json& line : samples) {
    bool seen = false;
    for (const Score& score : (*scorer)->score(text_sample(line["target"]), {answer(line["resps"][0][0])})) {
      if (score.filter != line["filter"].get<std::string>()) continue;
      seen = true;
      EXPECT_EQ(score.extracted, line["filtered_resps"][0].get<std::string>()) << line["doc_id"];
      EXPECT_EQ(metric_of(score, "exact_match"), line["exact_match"].get<double>()) << line["doc_id"];
    }
    EXPECT_TRUE(seen);
  }
}
INSTANTIATE_TEST_SUITE_P(Files, TextParity, testing::Values("gsm8k.samples.jsonl", "gsm8k_chat.samples.jsonl"));

}  // namespace
}  // namespace qeval
