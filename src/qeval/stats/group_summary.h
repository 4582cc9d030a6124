#pragma once

#include <vector>

#include "qeval/core/group_spec.h"
#include "qeval/core/task_summary.h"

namespace qeval {

// A group's scores from those of its tasks, as lm-eval 0.4.13 aggregates them: weighted by size, sum(m n) / sum(n) with
// the pooled standard error; else the plain mean with sqrt(sum se^2) / k. Sizes are scored samples. Interval: Wilson
// over all samples where every task's score is a proportion and sizes weigh, else normal, within [0, 1] for shares.
// The first metric of the group is its primary one. Classes are summed without examples: doc ids are a task's own.
// Tasks that have no such score are left out and said in `note`.
TaskSummary summarise_group(const GroupSpec& group, const std::vector<TaskSummary>& tasks);

// Tasks of the group that have no score under its primary metric yet.
std::vector<std::string> missing_tasks(const GroupSpec& group, const std::vector<TaskSummary>& tasks);

}  // namespace qeval
