#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/engine/engine.h"
#include "qeval/stats/latency_histogram.h"

namespace qeval {

// Adds up what the responses decoded in this run cost. Latencies count from the moment when the engine took a request
// up, not from when it was handed over: a run hands over as much as fits. Not thread-safe.
class Tally {
 public:
  // `now_s`: when it came, on the clock of the caller.
  void add(const Response& response, bool generated, double now_s);
  void note_request(int64_t n_tokens, bool generated) {
    int64_t& longest = generated ? performance_.longest_request_tokens : performance_.longest_scored_tokens;
    longest = std::max(longest, n_tokens);
  }
  void add_reused() { ++performance_.n_reused; }
  // `wall_s`: first submit to last response.
  RunPerformance finish(const SessionStats& stats, double wall_s) const;
  const RunPerformance& so_far() const { return performance_; }

 private:
  RunPerformance performance_;
  LatencyHistogram ttft_, itl_, e2e_, stream_s_per_token_;
  std::vector<std::pair<double, double>> streams_;  // first token and end of each answer
};

}  // namespace qeval
