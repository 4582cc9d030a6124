#include "qeval/report/results_table.h"

#include <fmt/format.h>

#include <cmath>

#include "qeval/report/format.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

std::string paint(const std::string& text, const char* code, bool colours) {
  return colours ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::string classes_line(const TaskSummary& t) {
  auto it = t.classes.find(t.primary_filter);
  if (it == t.classes.end()) return "";
  std::string out;
  for (const ClassCount& c : it->second) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", c.n, to_string(c.failure_class));
  return out;
}

void add_rows(const TaskSummary& t, Table& table) {
  bool first = true;
  for (const MetricSummary& m : t.metrics) {
    bool primary = m.metric == t.primary_metric && m.filter == t.primary_filter;
    table.rows.push_back({first ? t.task : "", first ? t.version : "", first ? t.protocol : "", m.filter,
                          m.metric + (primary ? " *" : ""), std::to_string(m.n), score_text(m), interval_text(m),
                          std::isfinite(m.stderr_value) ? fmt::format("{:.4f}", m.stderr_value) : ""});
    first = false;
  }
}

std::string remarks(const TaskSummary& t, bool colours) {
  std::string out;
  if (const MetricSummary* m = t.primary(); m && !bounds_text(*m).empty())
    out += fmt::format("  {} {}: {}\n", paint("!", "31", colours), t.task, bounds_text(*m));
  for (const Flag& f : t.flags) {
    out += fmt::format("  {} {}: {} – {}", paint("!", "33", colours), t.task, f.kind, printable(f.reason));
    out += f.cause.empty() ? "\n" : fmt::format("; likely cause: {}\n", printable(f.cause));
  }
  if (t.published)
    out += fmt::format("  {}: published {} ({}): {}\n", t.task, percent(t.published->published.value),
                       t.published->published.source, t.published->in_line ? "in line" : "OUT OF LINE");
  return out;
}

std::string performance_line(const RunPerformance& p) {
  std::string out = fmt::format("{:.1f} s", p.wall_s);
  if (p.generated_tok_s) out += fmt::format(", {:.1f} generated tok/s", *p.generated_tok_s);
  if (p.total_tok_s) out += fmt::format(", {:.0f} tok/s in all", *p.total_tok_s);
  if (p.peak_rss_bytes) out += fmt::format(", peak memory {:.2f} GB", static_cast<double>(*p.peak_rss_bytes) / 1e9);
  if (p.n_reused > 0) out += fmt::format(", {} responses from the store", p.n_reused);
  return out;
}

}  // namespace

std::string results_table(const RunView& view, const ResultsTableOptions& options) {
  std::string out = fmt::format("run {} · {} · {} · engine {} · preset {}{}\n", view.run.id, printable(view.weights_name()),
                                view.weights.quantization.empty() ? "?" : view.weights.quantization, view.engine_name,
                                view.run.preset, view.run.suite.empty() ? "" : " · suite " + view.run.suite);
  Table table;
  table.headers = {"Task", "Version", "Protocol", "Filter", "Metric", "n", "Score", "95 %", "Stderr"};
  table.aligns = {Align::left, Align::left, Align::left, Align::left, Align::left, Align::right, Align::right, Align::left, Align::right};
  for (const TaskSummary& t : view.tasks) add_rows(t, table);
  for (const PendingRow& p : view.pending) table.rows.push_back({p.row.empty() ? p.task : p.row, "", "pending: " + p.reason, "", "", "", "", "", ""});
  out += table.terminal();
  for (const TaskSummary& t : view.tasks) out += remarks(t, options.colours);
  for (const TaskSummary& t : view.tasks)
    if (std::string classes = classes_line(t); !classes.empty()) out += fmt::format("  {}: {}\n", t.task, classes);
  if (view.performance.n_responses > 0) out += fmt::format("  {}\n", performance_line(view.performance));
  return out;
}

Json results_json(const RunView& view) {
  Json tasks = Json::array(), pending = Json::array();
  for (const TaskSummary& t : view.tasks) tasks.push_back(to_json(t));
  for (const PendingRow& p : view.pending) pending.push_back({{"task", p.task}, {"row", p.row}, {"reason", p.reason}});
  return {{"run", view.run.id}, {"status", to_string(view.run.status)}, {"model", view.run.model_id}, {"hf_id", view.hf_id},
          {"weights", to_json(view.weights)}, {"engine", view.engine_name}, {"preset", view.run.preset},
          {"suite", view.run.suite}, {"tasks", tasks}, {"pending", pending}, {"performance", to_json(view.performance)},
          {"spec", view.run.spec}, {"environment", view.run.environment}};
}

}  // namespace qeval
