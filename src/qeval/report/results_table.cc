#include "qeval/report/results_table.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <vector>

#include "qeval/report/format.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr const char *kRed = "31", *kYellow = "33", *kGreen = "32", *kBold = "1";

std::string paint(const std::string& text, const char* code, bool colours) {
  return colours ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

// Without the tracker's emoji, whose width terminals do not agree on.
std::string verdict(const TaskSummary& t) {
  std::string status = status_text(t);
  if (status == "✅ Tested") return "ok";
  if (status == "⚠️ Suspect") return "SUSPECT";
  return status == "❌ Failed" ? "FAILED" : "pending";
}

void add_rows(const TaskSummary& t, Table& table) {
  bool first = true;
  for (const MetricSummary& m : t.metrics) {
    bool primary = m.metric == t.primary_metric && m.filter == t.primary_filter;
    table.rows.push_back({first ? t.task : "", first ? t.version : "", first ? t.protocol : "", m.filter,
                          m.metric + (primary ? " *" : ""), std::to_string(m.n), score_text(m), interval_text(m),
                          stderr_text(m), first ? verdict(t) : ""});
    first = false;
  }
  if (first) table.rows.push_back({t.task, t.version, t.protocol, "", "", "0", "–", "", "", verdict(t)});
}

std::string remarks(const TaskSummary& t, int64_t run, bool colours) {
  std::string out, name = printable(t.task);
  if (const MetricSummary* m = t.primary(); m && m->n_infrastructure > 0)
    out += fmt::format("  {} {}: {}\n", paint("!", kRed, colours), name, bounds_text(*m));
  for (const Flag& f : t.flags) {
    out += fmt::format("  {} {}: {}: {}", paint("!", kYellow, colours), name,
                       paint(printable(f.kind), kYellow, colours), printable(f.reason));
    out += f.cause.empty() ? "\n" : fmt::format("\n      likely cause: {}\n", printable(f.cause));
  }
  if (t.published)
    out += fmt::format("  {} {}: published {} ({}): {}\n",
                       t.published->in_line ? paint("=", kGreen, colours) : paint("!", kYellow, colours), name,
                       percent(t.published->published.value), printable(t.published->published.source),
                       t.published->in_line ? "in line" : "out of line");
  if (!t.note.empty()) out += fmt::format("  - {}: {}\n", name, printable(t.note));
  if (std::string pending = pending_text(t, run); !pending.empty()) out += fmt::format("  {} {}: {}\n", paint("!", kYellow, colours), name, pending);
  return out;
}

std::string classes_line(const TaskSummary& t) {
  auto it = t.classes.find(t.primary_filter);
  if (it == t.classes.end() || it->second.empty()) return "";
  std::string out;
  for (const ClassCount& c : it->second)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", c.n, to_string(c.failure_class));
  std::string filter = t.classes.size() > 1 ? " (" + printable(t.primary_filter) + ")" : "";
  return fmt::format("  {}{}: {}{}\n", printable(t.task), filter, out,
                     t.n_reused > 0 ? fmt::format("; {} answers from the store", t.n_reused) : "");
}

std::string performance_line(const RunPerformance& p) {
  if (p.n_responses == 0 && p.n_reused == 0) return "";
  std::string out = fmt::format("  {:.1f} s", p.wall_s);
  if (p.generated_tok_s) out += fmt::format(", {:.1f} generated tok/s", *p.generated_tok_s);
  if (p.stream_tok_s) out += fmt::format(" ({:.1f} per stream)", *p.stream_tok_s);
  if (p.total_tok_s) out += fmt::format(", {:.0f} tok/s in all", *p.total_tok_s);
  if (p.n_prompt_tokens > 0 && p.n_cached_tokens > 0)
    out += fmt::format(", {} of the prompt tokens shared",
                       percent(static_cast<double>(p.n_cached_tokens) / static_cast<double>(p.n_prompt_tokens), 0));
  if (p.ttft_p50_s) out += fmt::format(", first token {:.0f} ms", 1000 * *p.ttft_p50_s);
  if (p.peak_rss_bytes) out += fmt::format(", peak memory {}", gigabytes_or_unmeasured(p.peak_rss_bytes));
  if (p.peak_device_bytes) out += fmt::format(", device {}", gigabytes_or_unmeasured(p.peak_device_bytes));
  if (p.n_reused > 0) out += fmt::format(", {} responses from the store", p.n_reused);
  return out + "\n";
}

// Tasks of a group are remarked on together: their scores count within the group's.
std::string doubts_within_groups(const RunView& view, bool colours) {
  constexpr size_t kNamed = 5;
  std::map<std::string, std::vector<std::string>> by_group;
  for (const TaskSummary& t : view.tasks)
    if (const GroupView* g = group_of(view, t.task); g && !t.flags.empty()) by_group[g->spec.name].push_back(t.task);
  std::string out;
  for (const auto& [group, tasks] : by_group) {
    std::string names;
    for (size_t i = 0; i < tasks.size() && i < kNamed; ++i) names += (i ? ", " : "") + printable(tasks[i]);
    if (tasks.size() > kNamed) names += ", …";
    out += fmt::format("  {} {}: {} of its tasks are flagged by themselves ({}); `qeval show {} --json` says why\n",
                       paint("!", kYellow, colours), printable(group), tasks.size(), names, view.run.id);
  }
  return out;
}

std::string title(const RunView& v, bool colours) {
  std::string out = fmt::format("{} · {} · engine {}", paint(fmt::format("run {}", v.run.id), kBold, colours),
                                printable(v.model_label()), printable(v.engine_name));
  if (!v.engine_version.empty()) out += " " + printable(v.engine_version);
  out += " · preset " + printable(v.run.preset);
  if (!v.run.suite.empty()) out += " · suite " + printable(v.run.suite);
  if (v.run.status != RunStatus::done) out += fmt::format(" · {}", paint(to_string(v.run.status), kYellow, colours));
  if (!v.weights.verified) out += " · weights declared, not verified";
  return out + "\n";
}

bool fits_the_table(const PendingRow& p) { return p.reason.size() <= 60; }

// Each long reason once, with the tasks that it keeps from running.
std::string pending_lines(const RunView& view, bool colours) {
  std::vector<std::pair<std::string, std::string>> by_reason;
  for (const PendingRow& p : view.pending) {
    if (fits_the_table(p)) continue;
    const std::string name = p.row.empty() ? p.task : p.row;
    auto same = std::find_if(by_reason.begin(), by_reason.end(), [&](const auto& entry) { return entry.first == p.reason; });
    if (same == by_reason.end()) by_reason.emplace_back(p.reason, name);
    else same->second += ", " + name;
  }
  std::string out;
  for (const auto& [reason, names] : by_reason) out += fmt::format("  {} {}: pending: {}\n", paint("!", kYellow, colours), printable(names), printable(reason));
  return out;
}

}  // namespace

std::string results_table(const RunView& view, const ResultsTableOptions& options) {
  Table table;
  table.headers = {"Task", "Version", "Protocol", "Filter", "Metric", "n", "Score", "95 %", "Stderr", ""};
  table.aligns = {Align::left,  Align::left,  Align::left, Align::left,  Align::left,
                  Align::right, Align::right, Align::left, Align::right, Align::left};
  for (const TaskSummary& t : view.tasks) add_rows(t, table);
  for (const GroupView& g : view.groups) add_rows(g.summary, table);
  for (const PendingRow& p : view.pending)
    table.rows.push_back({p.row.empty() ? p.task : p.row, "", fits_the_table(p) ? p.reason : "not run: see below", "", "", "", "", "", "", "pending"});
  std::string out = title(view, options.colours) + table.terminal(options.unicode);
  std::vector<const TaskSummary*> shown = leading_scores(view);
  for (const TaskSummary* t : shown) out += remarks(*t, view.run.id, options.colours);
  out += doubts_within_groups(view, options.colours);
  out += pending_lines(view, options.colours);
  for (const TaskSummary* t : shown) out += classes_line(*t);
  return out + performance_line(view.performance);
}

Json results_json(const RunView& view) {
  Json tasks = Json::array(), groups = Json::array(), pending = Json::array();
  for (const TaskSummary& t : view.tasks) {
    Json task = to_json(t);
    task["status"] = verdict(t);
    if (const TaskFacts* facts = view.facts_of(t.task)) task["data"] = facts->data_note;
    tasks.push_back(std::move(task));
  }
  for (const GroupView& g : view.groups) {
    Json group = to_json(g.summary);
    group["group"] = g.spec.name;
    group["status"] = verdict(g.summary);
    group["members"] = g.spec.members;
    group["tasks"] = g.spec.tasks;
    groups.push_back(std::move(group));
  }
  for (const PendingRow& p : view.pending) pending.push_back({{"task", p.task}, {"row", p.row}, {"reason", p.reason}});
  return {{"run", view.run.id},
          {"status", to_string(view.run.status)},
          {"model", view.run.model_id},
          {"hf_id", view.hf_id},
          {"weights", to_json(view.weights)},
          {"engine", view.engine_name},
          {"preset", view.run.preset},
          {"suite", view.run.suite},
          {"tasks", tasks},
          {"groups", groups},
          {"pending", pending},
          {"performance", to_json(view.performance)},
          {"spec", view.run.spec},
          {"environment", view.run.environment}};
}

}  // namespace qeval
