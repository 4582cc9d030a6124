#include "qeval/load/length_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace qeval {
namespace {

constexpr double kLongest = 1e6;

bool read_number(const std::string& text, double* out) {
  if (text.empty()) return false;
  char* end = nullptr;
  *out = std::strtod(text.c_str(), &end);
  return *end == '\0' && std::isfinite(*out) && *out >= 0 && *out <= kLongest;
}

}  // namespace

int LengthSpec::draw(std::mt19937_64& random) const {
  double x = a;
  if (kind == Kind::uniform) x = std::uniform_real_distribution<double>(a, b + 1)(random);
  if (kind == Kind::normal && b > 0) x = std::normal_distribution<double>(a, b)(random);
  if (kind == Kind::lognormal && b > 0) x = std::lognormal_distribution<double>(std::log(a), b)(random);
  return static_cast<int>(std::clamp(std::floor(x), 1.0, kLongest));
}

double LengthSpec::mean() const {
  if (kind == Kind::uniform) return (a + b) / 2;
  return kind == Kind::lognormal ? a * std::exp(b * b / 2) : a;
}

std::string LengthSpec::text() const {
  switch (kind) {
    case Kind::fixed: return fmt::format("{:.0f}", a);
    case Kind::uniform: return fmt::format("{:.0f}-{:.0f}", a, b);
    case Kind::normal: return fmt::format("normal:{:g},{:g}", a, b);
    case Kind::lognormal: return fmt::format("lognormal:{:g},{:g}", a, b);
  }
  return "";
}

Result<LengthSpec> parse_length(const std::string& option, const std::string& text) {
  LengthSpec out;
  std::string rest = text;
  char separator = '-';
  for (auto [prefix, kind] : {std::pair{"normal:", LengthSpec::Kind::normal}, {"lognormal:", LengthSpec::Kind::lognormal}})
    if (text.rfind(prefix, 0) == 0) {
      out.kind = kind;
      rest = text.substr(std::string(prefix).size());
      separator = ',';
    }
  const size_t cut = rest.find(separator);
  bool good = read_number(rest.substr(0, cut), &out.a);
  if (cut != std::string::npos) {
    good = good && read_number(rest.substr(cut + 1), &out.b);
    if (out.kind == LengthSpec::Kind::fixed) {
      out.kind = LengthSpec::Kind::uniform;
      good = good && out.b >= out.a;
    }
  } else {
    good = good && out.kind == LengthSpec::Kind::fixed;
  }
  if (!good || out.a < 1)
    return fail(ErrorKind::usage, fmt::format("{} {}: a length in tokens was expected: 256, 128-512, normal:MEAN,SD or lognormal:MEDIAN,SIGMA", option, text));
  return out;
}

double draw_gap_s(std::mt19937_64& random, double rate, double burstiness) {
  return std::gamma_distribution<double>(burstiness, 1 / (rate * burstiness))(random);
}

}  // namespace qeval
