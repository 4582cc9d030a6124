#pragma once

#include <string>
#include <vector>

#include "qeval/core/group_spec.h"
#include "qeval/core/task_summary.h"

namespace qeval {

struct RunView;

// A group that was asked for and has a score of its own, as a row like any task.
struct GroupView {
  GroupSpec spec;
  TaskSummary summary;  // assessed: flags, published score under the same settings
};

// Groups of the run, outer ones first, from its tasks' summaries alone. Groups without aggregated metrics, or none of
// whose tasks has a score yet, are left out.
std::vector<GroupView> group_views(const RunView& view);

// The group that shows this task's score within its own; null where none does.
const GroupView* group_of(const RunView& view, const std::string& task);

// What stands for the run in a summary: its tasks but for those that a group shows, then its groups.
std::vector<const TaskSummary*> leading_scores(const RunView& view);

// Gives each group the hash of its tasks' protocols and, where the tasks' primary scores are what it brings together,
// their items under ids of its own, so that groups compare like tasks.
void add_group_facts(RunView& view);

}  // namespace qeval
