#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/stats/latency_histogram.h"
#include "qeval/util/result.h"

namespace qeval {

// "ttft_p95<500ms": figure ttft, itl or e2e; percentile 1 to 99.9; a time in ms or s.
struct Target {
  std::string figure;
  double percentile = 95;
  double limit_s = 0;
  std::string text() const;
};
Result<std::vector<Target>> parse_targets(const std::string& text);

struct Latencies {
  LatencyHistogram ttft, itl, e2e;
  const LatencyHistogram& of(const std::string& figure) const;
};
struct TargetResult {
  Target target;
  std::optional<double> value_s;  // no value: nothing was measured
  bool met = false;
};
std::vector<TargetResult> check_targets(const std::vector<Target>& targets, const Latencies& latencies);
bool all_met(const std::vector<TargetResult>& results);

}  // namespace qeval
