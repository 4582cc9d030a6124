#include "qeval/report/format.h"

#include <fmt/format.h>

#include <cmath>

namespace qeval {

std::string percent(double share, int digits) { return std::isfinite(share) ? fmt::format("{:.{}f} %", 100 * share, digits) : "–"; }

std::string score_text(const MetricSummary& m) {
  bool share = m.is_proportion || (m.value >= 0 && m.value <= 1 && m.high <= 1);
  return share ? percent(m.value) : std::isfinite(m.value) ? fmt::format("{:.3f}", m.value) : "–";
}

std::string interval_text(const MetricSummary& m) {
  if (!std::isfinite(m.low) || !std::isfinite(m.high)) return "";
  bool share = m.is_proportion || (m.value >= 0 && m.value <= 1 && m.high <= 1);
  return share ? fmt::format("[{:.1f}, {:.1f}]", 100 * m.low, 100 * m.high) : fmt::format("[{:.3f}, {:.3f}]", m.low, m.high);
}

std::string bounds_text(const MetricSummary& m) {
  if (m.n_infrastructure == 0 || !std::isfinite(m.bound_low)) return "";
  return fmt::format("{} not scored; {} to {} if they were", m.n_infrastructure, percent(m.bound_low), percent(m.bound_high));
}

std::string status_text(const TaskSummary& t) {
  if (t.n_docs == 0 || !t.primary()) return "⏳ PENDING";
  if (t.n_infrastructure == t.n_docs) return "❌ FAILED";
  for (const Flag& f : t.flags)
    if (f.kind != "infrastructure") return "⚠️ SUSPECT";
  return t.n_infrastructure > 0 ? "⚠️ INCOMPLETE" : "✅ SUCCESS";
}

std::string number_or_unmeasured(const std::optional<double>& value, const char* unit, int digits) {
  return value ? fmt::format("{:.{}f} {}", *value, digits, unit) : "*unmeasured*";
}

std::string gigabytes_or_unmeasured(const std::optional<int64_t>& bytes) {
  return bytes ? fmt::format("{:.2f} GB", static_cast<double>(*bytes) / 1e9) : "*unmeasured*";
}

const ClassCount* most_frequent_failure(const TaskSummary& t) {
  auto it = t.classes.find(t.primary_filter);
  if (it == t.classes.end()) return nullptr;
  for (const ClassCount& c : it->second)
    if (c.failure_class != FailureClass::correct) return &c;
  return nullptr;
}

}  // namespace qeval
