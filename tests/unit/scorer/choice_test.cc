#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "qeval/scorer/metric.h"
#include "scorer_testing.h"

namespace qeval {
namespace {

TaskSpec choice_task(std::vector<std::string> names) {
  TaskSpec spec;
  spec.name = "choices";
  spec.scoring.output_type = OutputType::multiple_choice;
  for (const std::string& name : names) spec.scoring.metrics.push_back({name, "", true, {}});
  return spec;
}

Sample choice_sample(std::vector<std::string> choices, std::vector<int> gold) {
  Sample sample;
  sample.choices = std::move(choices);
  sample.gold = std::move(gold);
  sample.requests.resize(sample.choices.size());
  return sample;
}

std::vector<Response> scored(const std::vector<double>& lls, size_t greedy = 99) {
  std::vector<Response> out;
  for (size_t i = 0; i < lls.size(); ++i) {
    Response response;
    response.finish = FinishReason::scored;
    response.logprob_nats = lls[i];
    response.is_greedy = i == greedy;
    out.push_back(response);
  }
  return out;
}

Score score_of(const TaskSpec& spec, const Sample& sample, const std::vector<Response>& responses) {
  auto scorer = make_scorer(spec, nullptr);
  EXPECT_TRUE(scorer) << scorer.error().message;
  std::vector<Score> scores = (*scorer)->score(sample, responses);
  EXPECT_EQ(scores.size(), 1u);
  return scores[0];
}

TEST(Choice, LengthsAreCodePointsAndBytesOfTheChoiceWithoutDelimiter) {
  // Per code point: -1, -0.9; per byte: -0.5, -0.9.
  Sample sample = choice_sample({"éé", "ab"}, {0});
  Score score = score_of(choice_task({"acc", "acc_norm", "acc_bytes"}), sample, scored({-2.0, -1.8}));
  EXPECT_EQ(metric_of(score, "acc"), 0);
  EXPECT_EQ(metric_of(score, "acc_norm"), 0);
  EXPECT_EQ(metric_of(score, "acc_bytes"), 1);
  EXPECT_EQ(score.extracted, "ab");
  EXPECT_EQ(score.failure_class, FailureClass::wrong_answer);
}

TEST(Choice, TiesGoToTheFirstIndexAndSeveralGoldsCount) {
  Score score = score_of(choice_task({"acc"}), choice_sample({"a", "b", "c"}, {1}), scored({-3, -1, -1}));
  EXPECT_EQ(metric_of(score, "acc"), 1);
  EXPECT_EQ(score.failure_class, FailureClass::correct);
  score = score_of(choice_task({"acc"}), choice_sample({"a", "b", "c"}, {0, 2}), scored({-3, -2, -1}));
  EXPECT_EQ(metric_of(score, "acc"), 1);
}

TEST(Choice, MutualInformationSubtractsTheUnconditionalLikelihood) {
  Sample sample = choice_sample({"a", "b"}, {1});
  Score score = score_of(choice_task({"acc", "acc_mutual_info"}), sample, scored({-1, -2, -1, -5}));
  EXPECT_EQ(metric_of(score, "acc"), 0);
  EXPECT_EQ(metric_of(score, "acc_mutual_info"), 1);
  score = score_of(choice_task({"acc", "acc_mutual_info"}), sample, scored({-1, -2}));
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
}

TEST(Choice, Mc2IsTheShareOfProbabilityOnRightChoices) {
  TaskSpec spec = choice_task({"acc"});
  spec.scoring.scorer = "mc2";
  Sample sample = choice_sample({"a", "b", "c"}, {0, 2});
  // Far below the smallest double, so that exp() alone would give 0 / 0.
  std::vector<double> lls = {-1000 + std::log(0.2), -1000 + std::log(0.5), -1000 + std::log(0.3)};
  Score score = score_of(spec, sample, scored(lls));
  EXPECT_NEAR(metric_of(score, "acc"), 0.5, 1e-12);
}

TEST(Choice, OtherMetricsFollowTheirFormulas) {
  Sample sample = choice_sample({"a", "b"}, {1});
  TaskSpec spec = choice_task({"brier_score", "likelihood", "exact_match", "f1", "mcc"});
  Score score = score_of(spec, sample, scored({std::log(0.25), std::log(0.75)}, 1));
  EXPECT_NEAR(metric_of(score, "brier_score"), 2 * 0.25 * 0.25, 1e-12);
  EXPECT_NEAR(metric_of(score, "likelihood"), 0.75, 1e-12);
  EXPECT_EQ(metric_of(score, "exact_match"), 1);
  EXPECT_EQ(score.details["pairs"]["f1"], Json::array({1, 1}));
}

TEST(Choice, LikelihoodsThatCannotRankAreDegenerate) {
  double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (std::vector<double> lls : {std::vector<double>{-1, -1, -1}, {0, 0, 0}, {-1, nan, -2}, {-1, -inf, -2}}) {
    Score score = score_of(choice_task({"acc", "acc_norm"}), choice_sample({"a", "b", "c"}, {0}), scored(lls));
    EXPECT_EQ(score.failure_class, FailureClass::degenerate);
    for (const auto& [name, value] : score.metrics) EXPECT_TRUE(std::isfinite(value)) << name;
  }
}

TEST(Choice, EmptyChoicesAndImpossibleGoldsNeverCrash) {
  Score score = score_of(choice_task({"acc_norm"}), choice_sample({"", "b"}, {7}), scored({-1, -2}));
  EXPECT_EQ(metric_of(score, "acc_norm"), 0);
  EXPECT_NE(score.explanation.find("right choice"), std::string::npos);
  score = score_of(choice_task({"acc"}), choice_sample({"a", "b"}, {}), scored({-1, -2}));
  EXPECT_EQ(metric_of(score, "acc"), 0);
  score = score_of(choice_task({"acc"}), Sample{}, {});
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
}

TEST(Choice, AnyFailedResponseIsAnEngineFailureWithoutMetrics) {
  std::vector<Response> responses = scored({-1, -2});
  responses[1].finish = FinishReason::failed;
  responses[1].failure = EngineFailure::timeout;
  responses[1].failure_message = "30 s";
  Score score = score_of(choice_task({"acc"}), choice_sample({"a", "b"}, {0}), responses);
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
  EXPECT_TRUE(score.metrics.empty());
  EXPECT_NE(score.explanation.find("30 s"), std::string::npos);
  responses.pop_back();
  score = score_of(choice_task({"acc"}), choice_sample({"a", "b"}, {0}), responses);
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
  EXPECT_NE(score.explanation.find("1 of 2"), std::string::npos);
}

TEST(Likelihood, AccuracyIsGreedyAndPerplexityKeepsTheLogLikelihood) {
  TaskSpec spec = choice_task({});
  spec.scoring.output_type = OutputType::loglikelihood;
  Sample sample = text_sample("x");
  Score score = score_of(spec, sample, scored({-3.5}, 0));
  EXPECT_EQ(metric_of(score, "acc"), 1);
  EXPECT_EQ(metric_of(score, "perplexity"), -3.5);
  EXPECT_EQ(score_of(spec, sample, scored({-3.5})).failure_class, FailureClass::wrong_answer);
}

TEST(Likelihood, RollingCountsPythonWordsAndBytes) {
  TaskSpec spec = choice_task({});
  spec.scoring.output_type = OutputType::loglikelihood_rolling;
  Score score = score_of(spec, text_sample(" é a\n"), scored({-6}));
  EXPECT_EQ(score.details["weighted"]["word_perplexity"], Json::array({-6.0, 4.0}));  // "", "é", "a", ""
  EXPECT_EQ(score.details["weighted"]["byte_perplexity"], Json::array({-6.0, 6.0}));
  EXPECT_NEAR(metric_of(score, "bits_per_byte"), 1 / std::log(2.0), 1e-12);
  EXPECT_EQ(n_split_words("a\u00a0b"), 2);
  EXPECT_EQ(n_split_words(""), 1);
}

TEST(Metrics, UnknownOnesAreErrorsThatNameFileMetricAndKey) {
  auto error = [](MetricSpec metric, OutputType type) {
    TaskSpec spec = choice_task({});
    spec.file = "tasks/x.yaml";
    spec.scoring.output_type = type;
    spec.scoring.metrics = {std::move(metric)};
    auto made = make_scorer(spec, nullptr);
    return made ? "" : made.error().message;
  };
  EXPECT_NE(
      error({"bleu", "", true, {}}, OutputType::generate_until).find("tasks/x.yaml: metric_list: bleu: not supported"),
      std::string::npos);
  EXPECT_NE(error({"acc", "geometric", true, {}}, OutputType::multiple_choice).find("'geometric'"), std::string::npos);
  EXPECT_NE(error({"acc", "weighted_perplexity", true, {}}, OutputType::multiple_choice).find("does not fit"),
            std::string::npos);
  EXPECT_NE(error({"exact_match", "", true, {{"ignore_cases", true}}}, OutputType::generate_until).find("ignore_cases"),
            std::string::npos);
  EXPECT_NE(error({"exact_match", "", true, {{"regexes_to_ignore", {"("}}}}, OutputType::generate_until)
                .find("regexes_to_ignore"),
            std::string::npos);
  EXPECT_NE(error({"pass@1", "", true, {}}, OutputType::generate_until).find("python_tests"), std::string::npos);
  EXPECT_EQ(error({"exact_match", "mean", true, {{"hf_evaluate", true}}}, OutputType::generate_until), "");
  TaskSpec spec = choice_task({"acc"});
  spec.scoring.scorer = "oracle";
  EXPECT_FALSE(make_scorer(spec, nullptr));
}

TEST(Metrics, PrimaryIsAccNormWhereListedOrWhatTheConfigSays) {
  EXPECT_EQ(primary_metric(choice_task({"acc", "acc_norm"})).first, "acc_norm");
  EXPECT_EQ(primary_metric(choice_task({"acc"})), std::make_pair(std::string("acc"), std::string("none")));
  TaskSpec spec = gsm8k();
  EXPECT_EQ(primary_metric(spec), std::make_pair(std::string("exact_match"), std::string("strict-match")));
  spec.config = {{"metadata", {{"primary_filter", "flexible-extract"}}}};
  EXPECT_EQ(primary_metric(spec).second, "flexible-extract");
}

}  // namespace
}  // namespace qeval
