#pragma once

#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/store/store.h"
#include "qeval/util/result.h"

namespace qeval {

struct PendingRow { std::string task, row, reason; };

// One run as the reports read it: typed, from summaries alone, no sample is touched.
struct RunView {
  RunRecord run;
  std::vector<TaskSummary> tasks;
  RunPerformance performance;
  std::vector<PendingRow> pending;
  WeightsIdentity weights;
  std::string hf_id, engine_name, engine_version, device;
  // Display name of what was loaded: HF id, else the name in the file, else what was asked.
  std::string weights_name() const;
  // Runs with equal subjects are attempts at the same thing: weights, quantisation, engine, preset.
  std::string subject() const;
};

RunView view_of(const RunRecord& run, const std::vector<TaskSummary>& tasks);
// Oldest first; runs without any summary are left out.
Result<std::vector<RunView>> load_views(const Store& store);

}  // namespace qeval
