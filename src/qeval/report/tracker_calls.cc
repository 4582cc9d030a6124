#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

// "tool mode native" of "0-shot, chat template, generated, tool mode native, thinking on (…)".
std::string part_of(const std::string& protocol, const std::string& begin) {
  size_t at = protocol.find(begin);
  if (at == std::string::npos) return "";
  size_t end = protocol.find(',', at);
  return protocol.substr(at + begin.size(), end == std::string::npos ? end : end - at - begin.size());
}

std::string mode_of(const TaskSummary& t) {
  std::string mode = part_of(t.protocol, "tool mode "), thinking = part_of(t.protocol, "thinking ");
  if (mode.empty()) mode = "as the task asks";
  return thinking.empty() ? mode : mode + ", thinking " + thinking;
}

std::string failures_of(const TaskSummary& t) {
  auto it = t.classes.find(t.primary_filter);
  std::string out;
  if (it != t.classes.end())
    for (const ClassCount& c : it->second)
      if (c.failure_class != FailureClass::correct && c.n > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", c.n, class_text(c.failure_class));
  return out.empty() ? "none" : out;
}

struct Estimate {
  double value = 0, variance = 0, n = 0;
};
using Found = std::map<std::string, Estimate>;

// A weighted mean of what `names` stand for; nullopt where one is missing.
std::optional<Estimate> combined(const Found& found, const std::vector<std::string>& names, bool by_size) {
  Estimate out;
  double weights = 0;
  for (const std::string& name : names) {
    auto it = found.find(name);
    if (it == found.end()) return std::nullopt;
    double w = by_size ? it->second.n : 1;
    out.value += w * it->second.value;
    out.variance += w * w * it->second.variance;
    out.n += it->second.n;
    weights += w;
  }
  out.value /= weights;
  out.variance /= weights * weights;
  return out;
}

std::string summary_line(const char* title, const std::optional<Estimate>& e, const char* how) {
  if (!e) return fmt::format("- **{}:** *unmeasured* (needs every category: {})\n", title, how);
  double half = 1.96 * std::sqrt(e->variance);
  return fmt::format("- **{}:** {} [{}, {}] ({}, n = {:.0f})\n", title, percent(e->value), percent(std::max(0.0, e->value - half)), percent(std::min(1.0, e->value + half)), how, e->n);
}

// Categories that a run could not do, each with its reason, unless another run of the subject did them.
std::string pending_categories(const Subject& s, const std::map<std::string, std::vector<const TaskSummary*>>& by_mode) {
  std::map<std::string, std::string> pending, by_reason;
  for (const RunView* view : s.runs)
    for (const PendingRow& p : view->pending)
      if (p.task.starts_with("bfcl_")) pending[p.task] = p.reason;
  for (const auto& [mode, tasks] : by_mode)
    for (const TaskSummary* t : tasks) pending.erase(t->task);
  for (const auto& [task, reason] : pending) by_reason[reason] += (by_reason[reason].empty() ? "" : ", ") + task;
  std::string out;
  for (const auto& [reason, names] : by_reason) out += fmt::format("- **{}:** ⏳ Pending: {}\n", md(names), md(reason));
  return out.empty() ? "" : out + "\n";
}

// The benchmark's own summaries, where every category of one was run.
std::string summaries(const std::vector<const TaskSummary*>& tasks) {
  Found found;
  for (const TaskSummary* t : tasks) {
    const MetricSummary& m = *t->primary();
    double se = std::isfinite(m.stderr_value) ? m.stderr_value : 0;
    found[t->task] = {m.value, se * se, static_cast<double>(m.n)};
  }
  if (auto simple = combined(found, {"bfcl_simple_python", "bfcl_simple_java", "bfcl_simple_javascript"}, false)) found["bfcl_simple"] = *simple;
  auto non_live = combined(found, {"bfcl_simple", "bfcl_multiple", "bfcl_parallel", "bfcl_parallel_multiple"}, false);
  auto live = combined(found, {"bfcl_live_simple", "bfcl_live_multiple", "bfcl_live_parallel", "bfcl_live_parallel_multiple"}, true);
  auto multi_turn = combined(found, {"bfcl_multi_turn_base", "bfcl_multi_turn_miss_func", "bfcl_multi_turn_miss_param", "bfcl_multi_turn_long_context"}, false);
  auto none = combined(found, {"bfcl_irrelevance", "bfcl_live_irrelevance"}, false);
  return summary_line("Non-live", non_live, "mean of simple, multiple, parallel, parallel multiple") +
         summary_line("Live", live, "weighted by the number of cases") + summary_line("Irrelevance", none, "mean of non-live and live") +
         summary_line("Multi-turn", multi_turn, "mean of base, missing functions, missing parameters, long context") + "\n";
}

// Categories by tool mode, also those that a group stands for elsewhere. A later run wins unless it scored fewer.
std::map<std::string, std::vector<const TaskSummary*>> call_tasks(const Subject& s) {
  std::map<std::string, std::vector<const TaskSummary*>> out;
  for (const RunView* view : s.runs)
    for (const TaskSummary& t : view->tasks) {
      if (t.category != "Function Calling" || !t.primary()) continue;
      auto& tasks = out[mode_of(t)];
      auto same = std::find_if(tasks.begin(), tasks.end(), [&](const TaskSummary* other) { return other->task == t.task; });
      if (same == tasks.end()) tasks.push_back(&t);
      else if ((*same)->version != t.version || t.primary()->n >= (*same)->primary()->n) *same = &t;
    }
  return out;
}

}  // namespace

std::string function_calling_section(const Subject& s) {
  std::string out = "##### **Function Calling Test**\n\n";
  const auto by_mode = call_tasks(s);
  if (by_mode.empty()) {
    std::string reason = "not part of this run";
    for (const RunView* v : s.runs)
      for (const PendingRow& p : v->pending)
        if (p.row == "Function Calling") reason = p.reason;
    return out + "- **Accuracy:** *unmeasured*\n- **Status:** ⏳ Pending\n- **Issue:** " + md(reason) + "\n\n" + pending_categories(s, by_mode);
  }
  for (const auto& [mode, tasks] : by_mode) {
    out += fmt::format("Tool mode: {}\n\n", md(mode));
    Table table;
    table.headers = {"Category", "Accuracy", "95 % interval", "n", "Status", "What went wrong"};
    for (const TaskSummary* t : tasks)
      table.rows.push_back({row_title(*t), score_text(*t->primary()), interval_text(*t->primary()), std::to_string(t->primary()->n), status_text(*t), failures_of(*t)});
    out += table.markdown() + "\n";
    out += summaries(tasks);
  }
  return out + pending_categories(s, by_mode);
}

// Accuracy against tokens spent, where a run said whether the model was to think.
std::string thinking_section(const Subject& s) {
  Table table;
  table.headers = {"Dataset", "Thinking", "Accuracy", "95 % interval", "Tokens per answer", "Never finished thinking"};
  for (const SubjectRow& row : s.rows) {
    if (!row.task || !row.task->primary() || row.task->n_docs == 0) continue;
    std::string thinking = part_of(row.task->protocol, "thinking ");
    if (thinking.empty()) continue;
    int64_t unfinished = 0;
    auto classes = row.task->classes.find(row.task->primary_filter);
    if (classes != row.task->classes.end())
      for (const ClassCount& c : classes->second)
        if (c.failure_class == FailureClass::unfinished_thinking) unfinished += c.n;
    table.rows.push_back({row_title(*row.task), thinking, score_text(*row.task->primary()), interval_text(*row.task->primary()),
                          fmt::format("{:.0f}", static_cast<double>(row.task->n_new_tokens) / static_cast<double>(row.task->n_docs)), fmt::format("{} of {}", unfinished, row.task->n_docs)});
  }
  return table.rows.empty() ? "" : "##### **Accuracy against Tokens Spent**\n\n" + table.markdown() + "\n";
}

}  // namespace qeval
