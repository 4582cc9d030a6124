#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "qeval/stats/bootstrap.h"
#include "qeval/stats/compare.h"
#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"
#include "qeval/util/file.h"
#include "qeval/util/json.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

const Json& golden() {
  static const Json cases = [] {
    auto text = read_file(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/stats/golden.json");
    if (!text) return Json();
    auto json = parse_json(*text);
    return json ? *json : Json();
  }();
  return cases;
}

std::vector<double> numbers(const Json& array) { return array.get<std::vector<double>>(); }

TEST(Intervals, AgreeWithScipy) {
  ASSERT_FALSE(golden()["wilson"].empty());
  for (const Json& c : golden()["wilson"]) {
    Interval ours = wilson_interval(c["k"], c["n"]);
    EXPECT_NEAR(ours.low, c["low"].get<double>(), 1e-12) << c.dump();
    EXPECT_NEAR(ours.high, c["high"].get<double>(), 1e-12) << c.dump();
  }
  for (const Json& c : golden()["clopper_pearson"]) {
    Interval ours = clopper_pearson_interval(c["k"], c["n"]);
    EXPECT_NEAR(ours.low, c["low"].get<double>(), 1e-10) << c.dump();
    EXPECT_NEAR(ours.high, c["high"].get<double>(), 1e-10) << c.dump();
  }
}

TEST(Intervals, EdgesAreExactAndImpossibleCountsAreNaN) {
  EXPECT_EQ(wilson_interval(0, 100).low, 0);
  EXPECT_EQ(wilson_interval(100, 100).high, 1);
  EXPECT_TRUE(std::isnan(wilson_interval(0, 0).low));
  EXPECT_TRUE(std::isnan(wilson_interval(3, 2).high));
  EXPECT_TRUE(std::isnan(clopper_pearson_interval(-1, 2).low));
}

TEST(Intervals, SpecialFunctionsAgreeWithScipy) {
  for (const Json& c : golden()["incomplete_beta"])
    EXPECT_NEAR(incomplete_beta(c["a"], c["b"], c["x"]), c["value"].get<double>(), 1e-11) << c.dump();
  for (const Json& c : golden()["normal_quantile"])
    EXPECT_NEAR(normal_quantile(c["p"]), c["z"].get<double>(), 1e-9) << c.dump();
  EXPECT_NEAR(normal_quantile(0.975), kZ95, 1e-12);
}

TEST(Moments, AgreeWithPython) {
  for (const Json& c : golden()["samples"]) {
    std::vector<double> values = numbers(c["values"]);
    EXPECT_DOUBLE_EQ(mean(values), c["mean"].get<double>());
    EXPECT_NEAR(sample_sd(values), c["sd"].get<double>(), 1e-12 * mean(values) + 1e-15);
    EXPECT_NEAR(standard_error(values), c["se"].get<double>(), 1e-12 * mean(values) + 1e-15);
    EXPECT_EQ(upper_median(values), c["median"].get<double>());
  }
}

TEST(Moments, OrderNeverChangesABit) {
  PyRandom random(3);
  std::vector<double> values;
  for (int i = 0; i < 500; ++i) values.push_back((random.random() - 0.5) * std::pow(10, random.randint(-12, 12)));
  double first = mean(values), first_sd = sample_sd(values);
  for (int round = 0; round < 20; ++round) {
    random.shuffle(values);
    EXPECT_EQ(mean(values), first);
    EXPECT_EQ(sample_sd(values), first_sd);
  }
}

TEST(Moments, TooFewValuesAreNotDefined) {
  EXPECT_TRUE(std::isnan(mean({})));
  EXPECT_TRUE(std::isnan(sample_sd({1})));
  EXPECT_TRUE(std::isnan(standard_error({1})));
  EXPECT_TRUE(std::isnan(upper_median({})));
}

TEST(Moments, ClusteredErrorEqualsTheHandComputedOneAndGrowsWithinClusters) {
  // Residuals ±1/2; two clusters with sums 1 and -1: sqrt(2) / 4.
  EXPECT_DOUBLE_EQ(clustered_standard_error({1, 1, 0, 0}, {1, 1, 2, 2}), std::sqrt(2.0) / 4);
  // Every item by itself: sqrt(4 · 1/4) / 4.
  EXPECT_DOUBLE_EQ(clustered_standard_error({1, 1, 0, 0}, {1, 2, 3, 4}), 0.25);
  EXPECT_TRUE(std::isnan(clustered_standard_error({1}, {})));
}

TEST(Moments, PooledErrorFollowsTheFormula) {
  double expected = std::sqrt((9 * 0.04 * 0.04 * 10 + 19 * 0.03 * 0.03 * 20) / (30.0 - 2) / 30.0);
  EXPECT_DOUBLE_EQ(pooled_standard_error({0.04, 0.03}, {10, 20}), expected);
}

TEST(PassAtK, AgreesWithBinomialCoefficients) {
  for (const Json& c : golden()["pass_at_k"]) {
    EXPECT_NEAR(pass_at_k(c["n"], c["c"], c["k"]), c["value"].get<double>(), 1e-12) << c.dump();
    EXPECT_NEAR(pass_hat_k(c["n"], c["c"], c["k"]), c["all"].get<double>(), 1e-12) << c.dump();
  }
  EXPECT_TRUE(std::isnan(pass_at_k(1, 0, 2)));
}

TEST(Compare, McNemarAgreesWithScipy) {
  for (const Json& c : golden()["mcnemar"])
    EXPECT_NEAR(mcnemar_exact(c["a"], c["b"]), c["p"].get<double>(), 1e-10) << c.dump();
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
}

TEST(Compare, ExactSignFlipAgreesWithScipy) {
  for (const Json& c : golden()["sign_flip"]) {
    PermutationResult ours = sign_flip_test(numbers(c["differences"]));
    EXPECT_TRUE(ours.exact);
    EXPECT_NEAR(ours.p_value, c["p"].get<double>(), 1e-12) << c.dump();
  }
}

TEST(Compare, SampledSignFlipFindsADifferenceAndSparesNone) {
  std::vector<double> shifted, balanced;
  for (int i = 0; i < 60; ++i) {
    shifted.push_back(i % 10 == 0 ? -1 : 1);
    balanced.push_back(i % 2 == 0 ? -1 : 1);
  }
  PermutationResult found = sign_flip_test(shifted);
  EXPECT_FALSE(found.exact);
  EXPECT_LT(found.p_value, 0.001);
  EXPECT_GT(sign_flip_test(balanced).p_value, 0.9);
  EXPECT_EQ(sign_flip_test(shifted).p_value, found.p_value);
  EXPECT_EQ(sign_flip_test({0, 0}).p_value, 1);
}

TEST(Compare, HolmAgreesWithTheDefinition) {
  for (const Json& c : golden()["holm"]) {
    std::vector<double> ours = holm(numbers(c["p"]));
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], c["adjusted"][i].get<double>(), 1e-12);
  }
  std::vector<double> with_gap = holm({0.01, std::nan(""), 0.04});
  EXPECT_DOUBLE_EQ(with_gap[0], 0.02);
  EXPECT_TRUE(std::isnan(with_gap[1]));
}

TEST(Compare, SmallestDetectableGapGivesTheKnownFigures) {
  struct Row {
    int64_t n;
    double points;
  };
  for (Row row : {Row{80, 14.0}, Row{164, 9.8}, Row{500, 5.6}, Row{1319, 3.4}, Row{3491, 2.1}})
    EXPECT_EQ(std::round(1000 * smallest_detectable_gap(row.n)) / 10, row.points) << row.n;
}

TEST(Bootstrap, ErrorOfAMeanIsNearTheFormulaAndRepeatable) {
  PyRandom random(5);
  std::vector<double> values;
  for (int i = 0; i < 200; ++i) values.push_back(random.random());
  auto statistic = [&](const std::vector<size_t>& indices) {
    std::vector<double> drawn;
    for (size_t i : indices) drawn.push_back(values[i]);
    return mean(drawn);
  };
  BootstrapResult result = bootstrap(values.size(), statistic);
  EXPECT_NEAR(result.standard_error / standard_error(values), 1, 0.1);
  EXPECT_LT(result.interval.low, mean(values));
  EXPECT_GT(result.interval.high, mean(values));
  EXPECT_EQ(bootstrap(values.size(), statistic).standard_error, result.standard_error);
  EXPECT_TRUE(std::isnan(bootstrap(0, statistic).standard_error));
}

TEST(Bootstrap, WholeClustersAreDrawn) {
  std::vector<int64_t> clusters;
  for (int i = 0; i < 100; ++i) clusters.push_back(i / 10);
  bool whole = true;
  BootstrapResult result = cluster_bootstrap(clusters, [&](const std::vector<size_t>& indices) {
    whole = whole && indices.size() == 100;
    double ones = 0;
    for (size_t i = 0; i < indices.size(); ++i) ones += indices[i] < 50 ? 1 : 0;
    return ones / 100;
  });
  EXPECT_TRUE(whole);
  EXPECT_NEAR(result.standard_error, std::sqrt(0.25 / 10), 0.03);  // ten clusters, not a hundred items
}

}  // namespace
}  // namespace qeval
