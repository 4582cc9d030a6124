#pragma once

#include <random>
#include <string>

#include "qeval/util/result.h"

namespace qeval {

// Lengths in tokens: "256", "128-512" (uniform), "normal:256,64", "lognormal:256,0.5" (median, sigma of the logarithm).
struct LengthSpec {
  enum class Kind { fixed, uniform, normal, lognormal };
  Kind kind = Kind::fixed;
  double a = 0, b = 0;
  int draw(std::mt19937_64& random) const;  // 1 to 1,000,000
  double mean() const;
  std::string text() const;                 // as parsed
};
Result<LengthSpec> parse_length(const std::string& option, const std::string& text);

// Gaps between arrivals at `rate` a second: gamma with shape `burstiness`. 1 = Poisson, less = bursts, more = evener.
double draw_gap_s(std::mt19937_64& random, double rate, double burstiness);

}  // namespace qeval
