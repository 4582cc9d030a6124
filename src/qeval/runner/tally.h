#pragma once

#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/engine/engine.h"

namespace qeval {

// Adds up what the responses decoded in this run cost. Not thread-safe.
class Tally {
 public:
  void add(const Response& response, bool generated);
  void add_reused() { ++performance_.n_reused; }
  // `wall_s`: first submit to last response.
  RunPerformance finish(const SessionStats& stats, double wall_s) const;
  const RunPerformance& so_far() const { return performance_; }

 private:
  RunPerformance performance_;
  std::vector<double> ttft_s_, e2e_s_;
};

}  // namespace qeval
