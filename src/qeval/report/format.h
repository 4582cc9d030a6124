#pragma once

#include <string>

#include "qeval/core/task_summary.h"

namespace qeval {

std::string percent(double share, int digits = 1);                 // "56.0 %"; "–" where not finite
std::string score_text(const MetricSummary& m);                    // "56.0 %", or the plain number where no proportion
std::string interval_text(const MetricSummary& m);                 // "[46.2, 65.3]"
std::string bounds_text(const MetricSummary& m);                   // "" unless infrastructure failures leave bounds
std::string status_text(const TaskSummary& t);                     // "✅ SUCCESS", "⚠️ SUSPECT", "❌ FAILED"
std::string number_or_unmeasured(const std::optional<double>& value, const char* unit, int digits = 2);
std::string gigabytes_or_unmeasured(const std::optional<int64_t>& bytes);
const ClassCount* most_frequent_failure(const TaskSummary& t);     // of the primary filter; null where all are right

}  // namespace qeval
