#pragma once

#include <string>
#include <vector>

#include "qeval/core/task_spec.h"
#include "qeval/core/task_summary.h"

namespace qeval {

struct AssessmentInput {
  std::string hf_id;                       // of the weights actually loaded, "" = unknown
  std::optional<double> chance;            // of the primary metric
  std::vector<PublishedScore> published;   // all rows; matching is done here
};

// Fills summary.flags and summary.published: compares with the published score under matching settings (task, shots,
// chat template, metric, filter); without a matching row a score is suspect if its interval reaches chance or below,
// if format classes exceed 20 %, or if its upper bound is under half of the lowest published figure for these weights
// in this task family under any protocol. Each flag carries the likely cause from the failure classes.
void assess(TaskSummary& summary, const AssessmentInput& input);

}  // namespace qeval
