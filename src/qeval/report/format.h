#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "qeval/core/task_summary.h"

namespace qeval {

std::string percent(double share, int digits = 1);  // "56.0 %"; "–" where not finite
std::string score_text(const MetricSummary& m);     // "56.0 %", or the plain number where it is no share
std::string interval_text(const MetricSummary& m);  // "[46.2, 65.3]", in the score's unit; "" = not defined
std::string stderr_text(const MetricSummary& m);    // as a fraction, like lm-eval; "" = not defined
// "" without infrastructure failures; else how many were not scored and where the score would lie if they were.
std::string bounds_text(const MetricSummary& m);
// The tracker's words: "✅ Tested", "⏳ Pending" (nothing scored yet), "⚠️ Suspect" (flagged), "❌ Failed" (only
// infrastructure failures).
std::string status_text(const TaskSummary& t);
// "" unless answers are stored that a judge has not rated; else how to have them rated.
std::string pending_text(const TaskSummary& t, int64_t run);
std::string number_or_unmeasured(const std::optional<double>& value, const char* unit, int digits = 2);
std::string gigabytes_or_unmeasured(const std::optional<int64_t>& bytes);  // 10^9 bytes
// Why the score is not to be believed as it stands, in one line: "suspect: " and its likely cause, or what was not
// scored.
// "" where nothing is wrong.
std::string doubt_text(const TaskSummary& t);
std::string class_text(FailureClass c);                         // "cut by the token limit"
const ClassCount* most_frequent_failure(const TaskSummary& t);  // of the primary filter; null where all are right
bool is_share(const MetricSummary& m);                          // shown in percent

}  // namespace qeval
