#include "qeval/load/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace qeval {
namespace {

Result<Target> parse_target(const std::string& text) {
  auto wrong = [&] {
    return fail(ErrorKind::usage, fmt::format("--target {}: FIGURE_pPERCENTILE<TIME was expected, such as ttft_p95<500ms, itl_p99<50ms, e2e_p95<2s", text));
  };
  Target out;
  const size_t p = text.find("_p"), less = text.find('<');
  if (p == std::string::npos || less == std::string::npos || less < p) return wrong();
  out.figure = text.substr(0, p);
  if (out.figure != "ttft" && out.figure != "itl" && out.figure != "e2e") return wrong();
  char* end = nullptr;
  const std::string share = text.substr(p + 2, less - p - 2);
  out.percentile = std::strtod(share.c_str(), &end);
  if (share.empty() || *end || out.percentile < 1 || out.percentile > 99.9) return wrong();
  const std::string time = text.substr(less + 1);
  out.limit_s = std::strtod(time.c_str(), &end);
  const std::string unit = end;
  if (unit == "ms") out.limit_s /= 1000;
  else if (unit != "s") return wrong();
  if (!(out.limit_s > 0)) return wrong();
  return out;
}

}  // namespace

std::string Target::text() const {
  return limit_s < 1 ? fmt::format("{}_p{:g}<{:g}ms", figure, percentile, limit_s * 1000) : fmt::format("{}_p{:g}<{:g}s", figure, percentile, limit_s);
}

Result<std::vector<Target>> parse_targets(const std::string& text) {
  std::vector<Target> out;
  for (size_t start = 0; start < text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    QEVAL_TRY(Target target, parse_target(text.substr(start, comma - start)));
    out.push_back(std::move(target));
    start = comma + 1;
  }
  return out;
}

const LatencyHistogram& Latencies::of(const std::string& figure) const { return figure == "ttft" ? ttft : figure == "itl" ? itl : e2e; }

std::vector<TargetResult> check_targets(const std::vector<Target>& targets, const Latencies& latencies) {
  std::vector<TargetResult> out;
  for (const Target& target : targets) {
    TargetResult result{target, latencies.of(target.figure).percentile(target.percentile / 100), false};
    result.met = result.value_s && *result.value_s < target.limit_s;
    out.push_back(std::move(result));
  }
  return out;
}

bool all_met(const std::vector<TargetResult>& results) {
  return std::all_of(results.begin(), results.end(), [](const TargetResult& r) { return r.met; });
}

}  // namespace qeval
