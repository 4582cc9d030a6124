#pragma once

#include <string>
#include <vector>

#include "qeval/report/comparison.h"
#include "qeval/util/json.h"

namespace qeval {

// Runs compared doc by doc with the first of them. Views must outlive it.
struct PairedRow {
  const RunView *a = nullptr, *b = nullptr;
  const TaskSummary *task_a = nullptr, *task_b = nullptr;
  ScoreMove move;  // settled over all rows
};
struct PairedReport {
  std::vector<const RunView*> runs;
  std::vector<std::string> labels;        // what is special about each run, aligned; may be ""
  std::vector<PairedRow> rows;
  std::vector<std::string> not_compared;  // why, one line each; nothing is left out silently
};

// Tasks that both have, groups in place of their tasks unless `tasks` names any; empty = all. Views need their items
// (load_items).
PairedReport compare_runs(const std::vector<const RunView*>& runs, const std::vector<std::string>& labels,
                          const std::vector<std::string>& tasks);

// Settings in which the runs differ, one line each: "max_num_seqs: 8 in run 1, 64 in run 2".
std::vector<std::string> settings_that_differ(const std::vector<const RunView*>& runs);

std::string paired_text(const PairedReport& report, bool colours);
Json paired_json(const PairedReport& report);

}  // namespace qeval
