#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"

namespace qeval {

struct ScoreChange {
  std::string task;
  int64_t doc_id = 0;
  std::string filter;
  FailureClass before = FailureClass::wrong_answer, after = FailureClass::wrong_answer;
  std::string extracted_before, extracted_after;
};

struct RescoreOptions {
  std::vector<std::string> tasks;                  // empty: all tasks of the run
  std::vector<PublishedScore> published;
  std::function<Result<Sandbox*>()> sandbox;       // called only if a task runs code
  OutsideTools* outside_tools = nullptr;           // for tasks whose calls a benchmark's own code carries out
  std::function<void(const std::string& task, int64_t n_done)> progress;
};

struct RescoreResult {
  RunId run = 0;
  int64_t n_samples = 0;
  std::vector<TaskSummary> tasks;
  std::vector<ScoreChange> changes;                // by doc
  std::vector<std::string> notes;                  // what a reader must know (task version moved on since)
};

// Scores stored responses again with the current filters and scorers; no model is loaded. Old scores are kept with
// their version. Summaries of the run are replaced.
Result<RescoreResult> rescore_run(Store& store, const TaskRegistry& registry, RunId run, const RescoreOptions& options);

}  // namespace qeval
