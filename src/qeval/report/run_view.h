#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/report/group_views.h"
#include "qeval/store/store.h"
#include "qeval/util/result.h"

namespace qeval {

// A row of the suite that cannot be evaluated yet.
struct PendingRow {
  std::string task, row, reason;
};

// What a report needs of a task beyond its summary.
struct TaskFacts {
  std::string protocol_hash;  // SHA-256 of the task's identity, but for which docs were chosen; "" = unknown
  std::string data_hash;      // of the data that the docs came from; "" = unknown
  int64_t n_docs_total = 0;   // of the split
  std::string data_note;      // where the data came from
  // Primary score by doc id, ascending; empty where not loaded (see load_items). Makes comparisons paired.
  std::vector<std::pair<int64_t, double>> items;
};

// One run as the reports read it: typed, from summaries alone; no sample is touched. A plain value.
struct RunView {
  RunRecord run;
  std::vector<TaskSummary> tasks;
  std::vector<GroupView> groups;           // scores brought together from those of `tasks`
  std::map<std::string, TaskFacts> facts;  // by name of task or group
  RunPerformance performance;
  std::vector<PendingRow> pending;
  WeightsIdentity weights;
  std::string hf_id, engine_name, engine_version, device;

  // Display name of what was loaded: HF id, else the name in the file, else what was asked for.
  std::string weights_name() const;
  // weights_name() and quantisation.
  std::string model_label() const;
  // For people; runs with equal subject_key() are attempts at the same thing: weights, quantisation, engine, preset.
  std::string subject() const;
  std::string model_key() const;  // weights identity and quantisation, never a display name
  std::string subject_key() const;
  const TaskFacts* facts_of(const std::string& task) const;
  int64_t when_ms() const { return run.ended_ms > 0 ? run.ended_ms : run.started_ms; }
};

RunView view_of(const RunRecord& run, const std::vector<TaskSummary>& tasks);
// As above, with facts from the records; records without a summary are left out.
RunView view_of(const RunRecord& run, const std::vector<TaskRecord>& records);
inline constexpr const char* kJudgeSuite = "judge";  // suite of the runs in which a model judged others' answers

// Oldest first. A run without any summary is left out unless it failed.
Result<std::vector<RunView>> load_views(const Store& store);
// One run with its items. Error: there is none.
Result<RunView> load_view(const Store& store, RunId run);
// Fills facts[].items, newest runs first, until `max_docs` scores are in memory.
Status load_items(const Store& store, std::vector<RunView>& views, int64_t max_docs = 200000);

}  // namespace qeval
