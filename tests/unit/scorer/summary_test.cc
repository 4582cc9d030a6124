#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"
#include "qeval/util/random.h"
#include "scorer_testing.h"

namespace qeval {
namespace {

std::vector<Score> one(const std::string& metric, double value, FailureClass c = FailureClass::wrong_answer,
                       Json details = {}) {
  Score score;
  score.failure_class = c;
  score.metrics = {{metric, value}};
  score.details = std::move(details);
  return {score};
}

std::vector<Score> lost() {
  Score score;
  score.failure_class = FailureClass::engine_failure;
  return {score};
}

TaskSpec task(OutputType type, std::vector<std::string> names) {
  TaskSpec spec;
  spec.scoring.output_type = type;
  for (const std::string& name : names) spec.scoring.metrics.push_back({name, "", true, {}});
  return spec;
}

TEST(Summary, ProportionsGetWilsonAndTheSampleError) {
  std::vector<std::vector<Score>> scores;
  for (int i = 0; i < 10; ++i) scores.push_back(one("exact_match", i < 3 ? 1 : 0));
  MetricSummary s = summarise(text_task(), scores).at(0);
  EXPECT_DOUBLE_EQ(s.value, 0.3);
  EXPECT_NEAR(s.stderr_value, std::sqrt(0.3 * 0.7 * 10 / 9) / std::sqrt(10.0), 1e-15);
  EXPECT_EQ((Interval{s.low, s.high}), wilson_interval(3, 10));
  EXPECT_TRUE(s.is_proportion);
  EXPECT_EQ(s.bound_low, s.value);
  EXPECT_EQ(s.bound_high, s.value);
}

TEST(Summary, InfrastructureIsLeftOutAndBounded) {
  std::vector<std::vector<Score>> scores = {one("exact_match", 1), one("exact_match", 0), lost(), lost()};
  MetricSummary s = summarise(text_task(), scores).at(0);
  EXPECT_EQ(s.n, 2);
  EXPECT_EQ(s.n_infrastructure, 2);
  EXPECT_DOUBLE_EQ(s.value, 0.5);
  EXPECT_DOUBLE_EQ(s.bound_low, 0.25);
  EXPECT_DOUBLE_EQ(s.bound_high, 0.75);
}

TEST(Summary, NothingScoredIsNotZero) {
  MetricSummary s = summarise(text_task(), {lost()}).at(0);
  EXPECT_EQ(s.n, 0);
  EXPECT_TRUE(std::isnan(s.value));
  EXPECT_EQ(s.bound_low, 0);
  EXPECT_EQ(s.bound_high, 1);
  s = summarise(text_task(), {}).at(0);
  EXPECT_TRUE(std::isnan(s.value));
  EXPECT_TRUE(std::isnan(s.bound_low));
}

TEST(Summary, SharesGetAClippedNormalInterval) {
  TaskSpec spec = task(OutputType::multiple_choice, {"acc"});
  std::vector<std::vector<Score>> scores = {one("acc", 0.98), one("acc", 0.2), one("acc", 0.99)};
  MetricSummary s = summarise(spec, scores).at(0);
  EXPECT_FALSE(s.is_proportion);
  EXPECT_EQ(s.high, 1);
  EXPECT_NEAR(s.low, s.value - kZ95 * s.stderr_value, 1e-12);
}

TEST(Summary, PerplexitiesFollowTheirAggregations) {
  TaskSpec spec = task(OutputType::loglikelihood_rolling, {"word_perplexity", "bits_per_byte"});
  std::vector<std::vector<Score>> scores;
  for (auto [ll, words, bytes] : {std::tuple{-10.0, 4.0, 20.0}, std::tuple{-30.0, 6.0, 40.0}}) {
    Score score;
    score.metrics = {{"word_perplexity", 1}, {"bits_per_byte", 1}};
    score.details = {{"weighted", {{"word_perplexity", {ll, words}}, {"bits_per_byte", {ll, bytes}}}}};
    scores.push_back({score});
  }
  std::vector<MetricSummary> s = summarise(spec, scores);
  EXPECT_NEAR(s.at(0).value, std::exp(4.0), 1e-9);
  EXPECT_NEAR(s.at(1).value, 40.0 / 60 / std::log(2.0), 1e-12);
  EXPECT_FALSE(s[0].higher_is_better);
  EXPECT_GT(s[0].stderr_value, 0);
  spec = task(OutputType::loglikelihood, {"perplexity", "acc"});
  Score score;
  score.metrics = {{"perplexity", -2.0}, {"acc", 1}};
  s = summarise(spec, {{score}});
  EXPECT_NEAR(s.at(0).value, std::exp(2.0), 1e-12);
  EXPECT_TRUE(std::isnan(s[0].stderr_value));
  EXPECT_EQ(s.at(1).value, 1);
}

TEST(Summary, MedianF1AndMatthewsUseTheirOwnAggregation) {
  TaskSpec spec = task(OutputType::multiple_choice, {"f1", "mcc"});
  std::vector<std::vector<Score>> scores;
  for (auto [gold, predicted] : {std::pair{1, 1}, std::pair{1, 0}, std::pair{0, 0}, std::pair{0, 1}, std::pair{1, 1}}) {
    Score score;
    score.metrics = {{"f1", gold == predicted}, {"mcc", gold == predicted}};
    score.details = {{"pairs", {{"f1", {gold, predicted}}, {"mcc", {gold, predicted}}}}};
    scores.push_back({score});
  }
  std::vector<MetricSummary> s = summarise(spec, scores);
  EXPECT_NEAR(s.at(0).value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(s.at(1).value, 1.0 / 6, 1e-12);
  spec = task(OutputType::multiple_choice, {"brier_score"});
  spec.scoring.metrics[0].aggregation = "median";
  EXPECT_EQ(
      summarise(spec, {one("brier_score", 3), one("brier_score", 1), one("brier_score", 2), one("brier_score", 9)})[0]
          .value,
      3);
}

TEST(Summary, OrderOfSamplesNeverChangesABit) {
  TaskSpec spec = task(OutputType::loglikelihood, {"perplexity"});
  PyRandom random(9);
  std::vector<std::vector<Score>> scores;
  for (int i = 0; i < 50; ++i) scores.push_back(one("perplexity", -random.random() * 10));
  std::string first = to_json(summarise(spec, scores)[0]).dump();
  for (int i = 0; i < 3; ++i) {
    random.shuffle(scores);
    EXPECT_EQ(to_json(summarise(spec, scores)[0]).dump(), first);
  }
}

TEST(Summary, EveryFilterHasItsOwnLine) {
  std::vector<MetricSummary> s = summarise(gsm8k(), {});
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].filter, "strict-match");
  EXPECT_EQ(s[1].filter, "flexible-extract");
}

TEST(ClassCounts, AreOrderedByCountWithTheFirstDocs) {
  std::vector<std::vector<Score>> scores;
  std::vector<int64_t> ids;
  for (int i = 0; i < 12; ++i) {
    scores.push_back(one("exact_match", 0, i % 4 == 0 ? FailureClass::truncated : FailureClass::no_answer));
    ids.push_back(1000 - i);
  }
  auto counts = class_counts(scores, ids);
  const std::vector<ClassCount>& none = counts.at("none");
  ASSERT_EQ(none.size(), 2u);
  EXPECT_EQ(none[0].failure_class, FailureClass::no_answer);
  EXPECT_EQ(none[0].n, 9);
  EXPECT_EQ(none[0].example_doc_ids, (std::vector<int64_t>{989, 990, 991, 993, 994}));
  EXPECT_EQ(none[1].example_doc_ids, (std::vector<int64_t>{992, 996, 1000}));
}

}  // namespace
}  // namespace qeval
