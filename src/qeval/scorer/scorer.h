#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/util/result.h"

namespace qeval {

// Raise when any verdict or class can change; scores carry it and rescore compares by it.
inline constexpr int kScorerVersion = 1;

// Scores samples of one task. Thread-safe: score() may run on several threads.
class Scorer {
 public:
  virtual ~Scorer() = default;
  // One Score per filter pipeline, in the spec's order. `responses` aligned with sample.requests.
  // Never fails: infrastructure faults become engine_failure or sandbox_failure scores.
  virtual std::vector<Score> score(const Sample& sample, const std::vector<Response>& responses) const = 0;
  virtual std::string backend() const = 0;   // sandbox back end, or ""
};

// Compiles filters and metrics. Error (bad_input): file, key, what is not supported. `sandbox` may be null where the
// task runs no code; must outlive the scorer.
Result<std::unique_ptr<Scorer>> make_scorer(const TaskSpec& spec, Sandbox* sandbox);

// Aggregates in doc order; `scores[i]` are sample i's scores (all filters).
std::vector<MetricSummary> summarise(const TaskSpec& spec, const std::vector<std::vector<Score>>& scores);

}  // namespace qeval
