#include "qeval/stats/compare.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

constexpr int kExactLimit = 16;

double signed_sum(const std::vector<double>& values, uint64_t signs) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += (signs >> i & 1) ? -values[i] : values[i];
  return sum;
}

}  // namespace

double mcnemar_exact(int64_t only_a, int64_t only_b) {
  if (only_a < 0 || only_b < 0) return kNaN;
  int64_t n = only_a + only_b, k = std::min(only_a, only_b);
  if (n == 0) return 1;
  // P(X <= k) = I_{1/2}(n - k, k + 1).
  return std::min(1.0, 2 * incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 0.5));
}

PermutationResult sign_flip_test(const std::vector<double>& differences, int iterations, uint64_t seed) {
  std::vector<double> values;
  for (double d : differences)
    if (d != 0) values.push_back(d);
  if (values.empty()) return {1, true};
  std::sort(values.begin(), values.end());
  double scale = 0;
  for (double v : values) scale += std::fabs(v);
  // Patterns equal but for rounding must count as equal.
  double reached = std::fabs(signed_sum(values, 0)) - 1e-12 * scale;
  if (values.size() <= kExactLimit) {
    uint64_t patterns = uint64_t{1} << values.size(), hits = 0;
    for (uint64_t signs = 0; signs < patterns; ++signs) hits += std::fabs(signed_sum(values, signs)) >= reached;
    return {static_cast<double>(hits) / static_cast<double>(patterns), true};
  }
  PyRandom random(seed);
  int64_t hits = 0;
  for (int i = 0; i < iterations; ++i) {
    double sum = 0;
    uint32_t bits = 0;
    for (size_t j = 0; j < values.size(); ++j) {
      if (j % 32 == 0) bits = random.next_u32();
      sum += (bits >> (j % 32) & 1) ? -values[j] : values[j];
    }
    hits += std::fabs(sum) >= reached;
  }
  return {static_cast<double>(hits + 1) / static_cast<double>(iterations + 1), false};
}

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i)
    if (!std::isnan(p_values[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted = p_values;
  double running = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    running = std::max(running, p_values[order[rank]] * static_cast<double>(order.size() - rank));
    adjusted[order[rank]] = std::min(1.0, running);
  }
  return adjusted;
}

double smallest_detectable_gap(int64_t n, double discordance, double power, double alpha) {
  if (n <= 0) return kNaN;
  return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * std::sqrt(discordance / static_cast<double>(n));
}

}  // namespace qeval
