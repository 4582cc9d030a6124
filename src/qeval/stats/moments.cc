#include "qeval/stats/moments.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace qeval {
namespace {

// NaN has no place in an order; it goes last, by itself.
bool before(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

}  // namespace

double sorted_sum(std::vector<double> values) {
  std::sort(values.begin(), values.end(), before);
  double sum = 0, lost = 0;
  for (double v : values) {
    double next = sum + v;
    lost += std::fabs(sum) >= std::fabs(v) ? (sum - next) + v : (v - next) + sum;
    sum = next;
  }
  return std::isfinite(sum) ? sum + lost : sum;
}

double mean(const std::vector<double>& values) {
  return values.empty() ? kNaN : sorted_sum(values) / static_cast<double>(values.size());
}

double sample_sd(const std::vector<double>& values) {
  if (values.size() < 2) return kNaN;
  double m = mean(values);
  std::vector<double> squares;
  squares.reserve(values.size());
  for (double v : values) squares.push_back((v - m) * (v - m));
  return std::sqrt(sorted_sum(std::move(squares)) / static_cast<double>(values.size() - 1));
}

double standard_error(const std::vector<double>& values) {
  return sample_sd(values) / std::sqrt(static_cast<double>(values.size()));
}

double median(std::vector<double> values) {
  if (values.empty()) return kNaN;
  std::sort(values.begin(), values.end(), before);
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double upper_median(std::vector<double> values) {
  if (values.empty()) return kNaN;
  std::sort(values.begin(), values.end(), before);
  return values[values.size() / 2];
}

double clustered_standard_error(const std::vector<double>& values, const std::vector<int64_t>& clusters) {
  if (values.empty() || values.size() != clusters.size()) return kNaN;
  double m = mean(values);
  std::map<int64_t, std::vector<double>> residuals;
  for (size_t i = 0; i < values.size(); ++i) residuals[clusters[i]].push_back(values[i] - m);
  std::vector<double> squares;
  for (auto& [cluster, group] : residuals) {
    double sum = sorted_sum(std::move(group));
    squares.push_back(sum * sum);
  }
  return std::sqrt(sorted_sum(std::move(squares))) / static_cast<double>(values.size());
}

double pooled_standard_error(const std::vector<double>& standard_errors, const std::vector<int64_t>& sizes) {
  if (standard_errors.empty() || standard_errors.size() != sizes.size()) return kNaN;
  std::vector<double> terms;
  double total = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    double n = static_cast<double>(sizes[i]);
    terms.push_back((n - 1) * standard_errors[i] * standard_errors[i] * n);
    total += n;
  }
  return std::sqrt(sorted_sum(std::move(terms)) / (total - static_cast<double>(sizes.size())) / total);
}

double standard_error_of_mean_of(const std::vector<double>& standard_errors) {
  if (standard_errors.empty()) return kNaN;
  std::vector<double> squares;
  for (double se : standard_errors) squares.push_back(se * se);
  return std::sqrt(sorted_sum(std::move(squares))) / static_cast<double>(standard_errors.size());
}

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  if (k < 1 || k > n || c < 0 || c > n) return kNaN;
  if (n - c < k) return 1;
  double all_wrong = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) all_wrong *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - all_wrong;
}

double pass_hat_k(int64_t n, int64_t c, int64_t k) {
  if (k < 1 || k > n || c < 0 || c > n) return kNaN;
  double all_right = 1;
  for (int64_t i = 0; i < k; ++i) all_right *= std::max(0.0, static_cast<double>(c - i)) / static_cast<double>(n - i);
  return all_right;
}

}  // namespace qeval
