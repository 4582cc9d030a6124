#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qeval/engine/engine.h"
#include "qeval/load/targets.h"
#include "qeval/load/workload.h"
#include "qeval/util/json.h"

namespace qeval {

// One load level. Closed loop: `concurrency` questions are always in flight. Open loop: they arrive at `rate` a second,
// whatever the server does.
struct LevelPlan {
  int index = 0;             // decides the prompts
  int concurrency = 0;       // 0: open loop
  double rate = 0;
  double burstiness = 1;     // see draw_gap_s
  int64_t n_requests = 0;    // 0: as many as duration_s allows
  double duration_s = 30;    // of sending
  int n_warm_up = 4;         // asked before, not counted
  double saturated_s = 10;   // open loop: more questions in flight than arrive in this time ends the level
  uint64_t seed = 1;
  std::vector<Target> targets;  // a level that can no longer meet them ends early
  std::string label() const;
};

struct LevelResult {
  LevelPlan plan;
  int64_t n_sent = 0, n_good = 0, n_failed = 0, n_cancelled = 0;
  std::map<std::string, int64_t> failures;           // by class
  int64_t n_prompt_tokens = 0, n_cached_tokens = 0, n_new_tokens = 0;
  double wall_s = 0;                                  // first question sent to last answer
  Latencies latencies;                                // from the planned arrival: lag of the client counts
  LatencyHistogram stream_s_per_token, send_lag;
  double client_cpu = 0;                              // of one core, this process
  std::string ended_early;                            // "" = ran to its end; else why
  int n_warm_up = 0;
  int64_t n_warm_up_tokens = 0;                       // new ones, not in n_new_tokens
  std::vector<TargetResult> targets;
  std::vector<std::string> dirt;                      // hygiene: what may have changed the figures
  Json hygiene;                                       // everything looked at, clean or not
  std::optional<double> score;                        // primary metric of the answers, where they have one
  double requests_per_s() const { return wall_s > 0 ? static_cast<double>(n_good) / wall_s : 0; }
  double new_tokens_per_s() const { return wall_s > 0 ? static_cast<double>(n_new_tokens) / wall_s : 0; }
  double prompt_tokens_per_s() const { return wall_s > 0 ? static_cast<double>(n_prompt_tokens) / wall_s : 0; }
  bool meets_targets() const { return ended_early.empty() && n_failed == 0 && all_met(targets); }
};
Json to_json(const LevelResult& result);

// Called with each answer and the question's number in its level, in any order.
using OnAnswer = std::function<Status(int64_t index, const LoadItem& item, const Response& response)>;

// Error: the engine died, or `on_answer` failed. `stop` ends the level at once, its result says so.
Result<LevelResult> run_level(Engine& engine, Workload& workload, const LevelPlan& plan, const OnAnswer& on_answer,
                              const std::atomic<bool>* stop, const std::function<void(const LevelResult&)>& progress);

}  // namespace qeval
