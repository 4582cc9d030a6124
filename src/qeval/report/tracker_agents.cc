#include <fmt/format.h>

#include <cmath>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

const MetricSummary* metric_of(const TaskSummary& t, const std::string& name) {
  for (const MetricSummary& m : t.metrics)
    if (m.metric == name && m.filter == t.primary_filter) return &m;
  return nullptr;
}

std::string amount(const TaskSummary& t, const std::string& name, int digits) {
  const MetricSummary* m = metric_of(t, name);
  return m && m->n > 0 && std::isfinite(m->value) ? fmt::format("{:.{}f}", m->value, digits) : "–";
}

std::string rate(const TaskSummary& t, const std::string& name) {
  const MetricSummary* m = metric_of(t, name);
  return m && m->n > 0 ? percent(m->value) : "–";
}

// pass^2, pass^4 … as far as the run repeated its tasks.
std::string powers(const TaskSummary& t) {
  std::string out;
  for (const MetricSummary& m : t.metrics)
    if (m.metric.starts_with("pass^") && m.filter == t.primary_filter && m.n > 0)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", m.metric, percent(m.value));
  return out.empty() ? "–" : out;
}

}  // namespace

std::string agent_workflows(const Subject& s) {
  Table table;
  table.headers = {"Workplace", "Tasks", "Success", "95 % interval", "All of k repeats", "Invalid calls", "Needless changes",
                   "Turns", "Tokens per solved", "Seconds per solved"};
  table.aligns.assign(table.headers.size(), Align::right);
  table.aligns[0] = table.aligns[3] = table.aligns[4] = Align::left;
  double n = 0, solved = 0;
  std::string notes;
  for (const SubjectRow& row : s.rows) {
    const MetricSummary* m = row.task && row.task->category == "Agents" ? row.task->primary() : nullptr;
    if (!m) continue;
    const TaskSummary& t = *row.task;
    n += static_cast<double>(m->n);
    if (m->n > 0) solved += m->value * static_cast<double>(m->n);
    table.rows.push_back({row.title, std::to_string(m->n), m->n > 0 ? percent(m->value) : "–", m->n > 0 ? interval_text(*m) : "",
                          powers(t), rate(t, "invalid_call_rate"), amount(t, "needless_writes", 2), amount(t, "steps", 1),
                          amount(t, "tokens_per_solved", 0), amount(t, "seconds_per_solved", 1)});
    if (!t.note.empty()) notes += fmt::format("- {}: {}\n", md(row.title), md(t.note));
  }
  if (table.rows.empty()) return "";
  std::string all = n > 0 ? fmt::format("All workplaces together: {} of {:.0f} tasks solved.\n\n", percent(solved / n), n) : "";
  return "##### **Agent Workflows**\n\n" + table.markdown() + "\n" + all + (notes.empty() ? "" : notes + "\n");
}

}  // namespace qeval
