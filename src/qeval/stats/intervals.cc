#include "qeval/stats/intervals.h"

#include <algorithm>
#include <cmath>

#include "qeval/stats/moments.h"

namespace qeval {
namespace {

// Root of an increasing function on [low, high]; stops at the last bit that can move.
template <typename F>
double bisect(double low, double high, F&& below_target) {
  for (int i = 0; i < 200; ++i) {
    double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (below_target(middle) ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

// Lentz's method. Converges fast for x < (a+1)/(a+b+2).
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  auto guard = [](double v) { return std::fabs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / guard(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m <= 10000; ++m) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    h *= d * c;
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    double step = d * c;
    h *= step;
    if (std::fabs(step - 1) < 1e-16) break;
  }
  return h;
}

}  // namespace

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

double normal_quantile(double p) {
  if (!(p > 0 && p < 1)) return kNaN;
  return bisect(-40, 40, [&](double z) { return normal_cdf(z) < p; });
}

Interval wilson_interval(int64_t successes, int64_t n, double z) {
  if (n <= 0 || successes < 0 || successes > n) return {kNaN, kNaN};
  return wilson_interval_of_share(static_cast<double>(successes) / static_cast<double>(n), static_cast<double>(n), z);
}

Interval wilson_interval_of_share(double p, double n, double z) {
  if (!(n > 0 && p >= 0 && p <= 1)) return {kNaN, kNaN};
  double z2 = z * z;
  double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  double half = z / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  // The ends are exact at the edges, where rounding would leave 1e-17.
  return {p == 0 ? 0 : std::max(0.0, centre - half), p == 1 ? 1 : std::min(1.0, centre + half)};
}

double incomplete_beta(double a, double b, double x) {
  if (!(a > 0 && b > 0) || std::isnan(x)) return kNaN;
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

Interval clopper_pearson_interval(int64_t successes, int64_t n, double confidence) {
  if (n <= 0 || successes < 0 || successes > n || !(confidence > 0 && confidence < 1)) return {kNaN, kNaN};
  double k = static_cast<double>(successes), count = static_cast<double>(n), tail = (1 - confidence) / 2;
  Interval out{0, 1};
  if (successes > 0) out.low = bisect(0, 1, [&](double x) { return incomplete_beta(k, count - k + 1, x) < tail; });
  if (successes < n) out.high = bisect(0, 1, [&](double x) { return incomplete_beta(k + 1, count - k, x) < 1 - tail; });
  return out;
}

Interval normal_interval(double value, double standard_error, double z) {
  return {value - z * standard_error, value + z * standard_error};
}

}  // namespace qeval
