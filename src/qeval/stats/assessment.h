#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/task_spec.h"
#include "qeval/core/task_summary.h"

namespace qeval {

struct AssessmentInput {
  std::string hf_id;                      // of the weights actually loaded, "" = unknown
  std::optional<double> chance;           // of the primary metric
  std::vector<PublishedScore> published;  // all rows; matching is done here
  std::string task_family;                // TaskSpec::dataset_title; "" = only rows that name this very task
};

// Fills summary.flags and summary.published: compares with the published score under matching settings (task, shots,
// chat template, metric, filter; a row that does not state the template counts as without one, a row that does not
// state the shots never matches). Without a matching row a score is suspect if its interval reaches chance or below
// (chance 0 where none is known), if format classes exceed 20 %, or if its upper bound is under half of the lowest
// published figure for these weights in this task family under any protocol. Each flag carries the likely cause from
// the failure classes of the primary filter. Flags of an earlier call are replaced.
// Kinds: infrastructure (some samples not scored), degenerate (over 20 % of the log-likelihood samples cannot be
// ranked: the value is not a score), out_of_line (of a matching row), suspect.
// In line: the published value is inside the interval, or within 2.58 standard errors (99 %, normal).
void assess(TaskSummary& summary, const AssessmentInput& input);

// What the classes say about why answers are not right: "62 of 100 answers end in an unterminated string literal; …",
// the two most frequent format or infrastructure reasons first, else what the wrong ones are. "" where all are right.
std::string likely_cause(const std::vector<ClassCount>& classes);

// Share of samples whose answers failed by form (is_format), of those that were scored; 0 where none was.
double format_share(const std::vector<ClassCount>& classes);

}  // namespace qeval
