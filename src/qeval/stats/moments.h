#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace qeval {

// What this folder answers where a number is not defined.
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// All functions of this header give the same bits for any order of the same values (values are sorted before they are
// summed), so a report does not depend on which response came back first. Empty input gives NaN.

double sorted_sum(std::vector<double> values);  // compensated (Neumaier)
double mean(const std::vector<double>& values);
double sample_sd(const std::vector<double>& values);       // divides by n-1; NaN for n < 2
double standard_error(const std::vector<double>& values);  // sample_sd / sqrt(n): lm-eval's stderr of a mean
double median(std::vector<double> values);
// Upper median, sorted[n / 2], as lm-eval takes it.
double upper_median(std::vector<double> values);

// Standard error of the mean where items of one cluster (shared passage, conversation, template) are not independent:
// sqrt(sum over clusters of (sum of residuals)^2) / n. Source: Miller (2024), "Adding error bars to evals", eq. 4.
// `clusters` aligned with `values`; all different = the independent case with divisor n. NaN if sizes differ.
double clustered_standard_error(const std::vector<double>& values, const std::vector<int64_t>& clusters);

// Of a mean weighted by size over subtasks, from each subtask's standard error and size, as lm-eval pools:
// sqrt( sum (n_i - 1) se_i^2 n_i / (sum n_i - k) / sum n_i ).
double pooled_standard_error(const std::vector<double>& standard_errors, const std::vector<int64_t>& sizes);
// Of the plain mean of k independent scores: sqrt(sum se_i^2) / k, as lm-eval where a group is not weighted by size.
double standard_error_of_mean_of(const std::vector<double>& standard_errors);

// Unbiased estimate that at least one of k samples is right, from c right ones of n: 1 - C(n-c, k) / C(n, k), computed
// as a product. Source: Chen et al. (2021), "Evaluating large language models trained on code", eq. 1. NaN if k > n.
double pass_at_k(int64_t n, int64_t c, int64_t k);
// That all of k samples are right: C(c, k) / C(n, k). NaN if k > n.
double pass_hat_k(int64_t n, int64_t c, int64_t k);

}  // namespace qeval
