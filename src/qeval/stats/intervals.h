#pragma once

#include <cstdint>

namespace qeval {

// Two-sided interval. NaN at both ends = not defined.
struct Interval {
  double low = 0, high = 0;
  bool operator==(const Interval&) const = default;
};

inline constexpr double kZ95 = 1.959963984540054;  // standard normal quantile at 0.975

// Standard normal distribution function and its inverse (0 < p < 1; else NaN).
double normal_cdf(double z);
double normal_quantile(double p);

// Score interval for a proportion, clipped to [0, 1]. NaN where n <= 0 or successes is outside [0, n].
// Source: Wilson (1927), JASA 22:209, without continuity correction.
Interval wilson_interval(int64_t successes, int64_t n, double z = kZ95);

// The same for a share and a sample size that need not be whole (an effective one). NaN outside of [0, 1] or for n <= 0.
Interval wilson_interval_of_share(double share, double n, double z = kZ95);

// Exact interval for a proportion from the binomial tails; never covers less than `confidence`.
// Source: Clopper and Pearson (1934), Biometrika 26:404: quantiles of the beta distribution.
Interval clopper_pearson_interval(int64_t successes, int64_t n, double confidence = 0.95);

// value ± z·standard_error.
Interval normal_interval(double value, double standard_error, double z = kZ95);

// Regularised incomplete beta function I_x(a, b); a, b > 0. Continued fraction: Abramowitz and Stegun 26.5.8.
double incomplete_beta(double a, double b, double x);

}  // namespace qeval
