#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/util/json.h"

namespace qeval {

// One metric that a group brings together from its tasks.
struct GroupMetric {
  std::string metric;
  std::vector<std::string> filters;  // empty: every filter under which its tasks have the metric
  bool weight_by_size = true;        // false: the plain mean of the tasks' scores
};

// A named list of tasks, as asked for and expanded.
struct GroupSpec {
  std::string name, version, title, category, family;
  std::string row;                   // tracker's dataset row, "" = the title
  std::vector<std::string> members;  // direct ones: tasks and groups
  std::vector<std::string> tasks;    // all leaves, in order
  std::vector<GroupMetric> metrics;  // empty: the group has no score of its own
  std::optional<double> chance;      // score of guessing, where it is known
};

Json to_json(const GroupSpec& group);
GroupSpec group_spec_from_json(const Json& json);

}  // namespace qeval
