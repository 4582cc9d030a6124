#include "qeval/report/paired_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "qeval/report/format.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

std::vector<const TaskSummary*> wanted_scores(const RunView& view, const std::vector<std::string>& tasks) {
  if (tasks.empty()) return leading_scores(view);
  std::vector<const TaskSummary*> out;
  auto wanted = [&](const TaskSummary& t) { return std::find(tasks.begin(), tasks.end(), t.task) != tasks.end(); };
  for (const TaskSummary& t : view.tasks)
    if (wanted(t)) out.push_back(&t);
  for (const GroupView& g : view.groups)
    if (wanted(g.summary)) out.push_back(&g.summary);
  return out;
}

std::string run_name(const RunView& v) { return fmt::format("run {}", v.run.id); }

void add_pair(const RunView& a, const RunView& b, const std::vector<std::string>& tasks, PairedReport& report) {
  std::vector<const TaskSummary*> of_b = wanted_scores(b, tasks);
  auto leave_out = [&](const std::string& task, const std::string& why) {
    report.not_compared.push_back(fmt::format("{}, {} and {}: {}", task, run_name(a), run_name(b), why));
  };
  for (const TaskSummary* ta : wanted_scores(a, tasks)) {
    auto tb = std::find_if(of_b.begin(), of_b.end(), [&](const TaskSummary* t) { return t->task == ta->task; });
    if (tb == of_b.end()) {
      leave_out(ta->task, fmt::format("{} has no score of it", run_name(b)));
      continue;
    }
    if (auto move = compare_paired({&a, ta}, {&b, *tb}); move)
      report.rows.push_back({&a, &b, ta, *tb, *move});
    else
      leave_out(ta->task, move.error().message);
    of_b.erase(tb);
  }
  for (const TaskSummary* t : of_b) leave_out(t->task, fmt::format("{} has no score of it", run_name(a)));
}

std::string better(const PairedRow& row) {
  if (!row.move.significant) return "no difference shown";
  bool up = (row.move.difference > 0) == row.task_a->primary()->higher_is_better;
  return fmt::format("{} better", run_name(up ? *row.b : *row.a));
}

// Shares in percent, other scores as they are.
struct Scale {
  double factor;
  int digits;
  std::string plain(double v) const { return fmt::format("{:.{}f}", factor * v, digits); }
  std::string signed_text(double v) const { return fmt::format("{:+.{}f}", factor * v, digits); }
};
Scale scale_of(const PairedRow& row) {
  return is_share(*row.task_a->primary()) ? Scale{100, 1} : Scale{1, 3};
}

std::string p_text(double p) { return p < 0.001 ? "<0.001" : fmt::format("{:.3f}", p); }
std::string test_name(const ScoreMove& m) { return m.binary ? "McNemar" : "sign flip"; }

// "preset.max_num_seqs" → value, leaves only.
void flatten(const std::string& prefix, const Json& json, std::map<std::string, std::string>& out) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) flatten(prefix.empty() ? key : prefix + "." + key, value, out);
    return;
  }
  out[prefix] = json_text(json);
}

std::map<std::string, std::string> settings_of(const RunView& v) {
  std::map<std::string, std::string> out;
  const Json& spec = v.run.spec;
  auto add = [&](const char* key, const std::string& prefix) {
    if (spec.is_object() && spec.contains(key)) flatten(prefix, spec[key], out);
  };
  add("preset", "");
  add("engine_options", "");
  add("exact", "exact");
  if (spec.is_object() && spec.contains("arguments")) {
    Json arguments = spec["arguments"];
    for (const char* told : {"set", "preset", "exact", "model", "tasks", "suite"}) arguments.erase(told);
    flatten("", arguments, out);
  }
  out["weights"] = v.model_label() + (v.weights.sha256.empty() ? "" : " " + v.weights.sha256.substr(0, 12));
  out["engine"] = v.engine_name + " " + v.engine_version;
  out["device"] = v.device;
  return out;
}

std::string costs_table(const PairedReport& report) {
  Table table;
  table.headers = {"Run", "", "Wall", "Generated", "All tokens", "Peak memory", "Device"};
  table.aligns = {Align::left, Align::left, Align::right, Align::right, Align::right, Align::right, Align::right};
  for (size_t i = 0; i < report.runs.size(); ++i) {
    const RunPerformance& p = report.runs[i]->performance;
    bool measured = p.n_responses > 0;
    table.rows.push_back({std::to_string(report.runs[i]->run.id), printable(report.labels[i]),
                          measured ? fmt::format("{:.1f} s", p.wall_s) : "unmeasured",
                          number_or_unmeasured(measured ? p.generated_tok_s : std::nullopt, "tok/s", 1),
                          number_or_unmeasured(measured ? p.total_tok_s : std::nullopt, "tok/s", 1),
                          gigabytes_or_unmeasured(measured ? p.peak_rss_bytes : std::nullopt),
                          gigabytes_or_unmeasured(measured ? p.peak_device_bytes : std::nullopt)});
  }
  std::string out = table.terminal();
  for (size_t at = 0; (at = out.find("*unmeasured*", at)) != std::string::npos;) out.replace(at, 12, " unmeasured ");
  return out;
}

}  // namespace

PairedReport compare_runs(const std::vector<const RunView*>& runs, const std::vector<std::string>& labels,
                          const std::vector<std::string>& tasks) {
  PairedReport report;
  report.runs = runs;
  report.labels = labels;
  report.labels.resize(runs.size());
  for (size_t i = 1; i < runs.size(); ++i) add_pair(*runs[0], *runs[i], tasks, report);
  std::vector<ScoreMove*> family;
  for (PairedRow& row : report.rows) family.push_back(&row.move);
  settle(family);
  return report;
}

std::vector<std::string> settings_that_differ(const std::vector<const RunView*>& runs) {
  std::vector<std::map<std::string, std::string>> all;
  std::map<std::string, std::string> keys;
  for (const RunView* v : runs) {
    all.push_back(settings_of(*v));
    keys.insert(all.back().begin(), all.back().end());
  }
  std::vector<std::string> out;
  for (const auto& [key, unused] : keys) {
    bool same = std::all_of(all.begin(), all.end(), [&, &k = key](const auto& one) {
      const auto it = one.find(k);
      const auto first = std::as_const(all[0]).find(k);
      return (it == one.end()) == (first == all[0].end()) && (it == one.end() || it->second == first->second);
    });
    if (same) continue;
    std::string line;
    for (size_t i = 0; i < runs.size(); ++i) {
      auto it = all[i].find(key);
      line += fmt::format("{}{} in {}", i ? ", " : "", it == all[i].end() ? "not set" : it->second.empty() ? "none" : it->second,
                          run_name(*runs[i]));
    }
    out.push_back(fmt::format("{}: {}", key, line));
  }
  return out;
}

std::string paired_text(const PairedReport& report, bool colours) {
  Table table;
  table.headers = {"Task", "Metric", "A", "B", "n", "Score A", "Score B", "B − A", "95 %", "only A", "only B", "Test", "p", "p (Holm)", "Gap seen from", ""};
  table.aligns = std::vector<Align>(table.headers.size(), Align::right);
  for (size_t i : {0, 1, 2, 3, 11, 15}) table.aligns[i] = Align::left;
  for (const PairedRow& row : report.rows) {
    const ScoreMove& m = row.move;
    Scale scale = scale_of(row);
    table.rows.push_back({printable(row.task_a->task), printable(row.task_a->primary_metric), run_name(*row.a), run_name(*row.b),
                          std::to_string(m.n), scale.plain(m.value_a), scale.plain(m.value_b),
                          scale.signed_text(m.difference),
                          fmt::format("[{}, {}]", scale.signed_text(m.low), scale.signed_text(m.high)),
                          std::to_string(m.n_only_a), std::to_string(m.n_only_b), test_name(m), p_text(m.p_value),
                          p_text(m.p_adjusted), scale.plain(m.detectable), better(row)});
  }
  std::string out = costs_table(report);
  for (const std::string& line : settings_that_differ(report.runs)) out += fmt::format("  differs: {}\n", printable(line));
  if (!report.rows.empty()) {
    out += table.terminal();
    out += "  Paired on the docs that both answered. A difference counts where Holm's p is below 0.05; one smaller than "
           "“gap seen from” would be found in fewer than 4 of 5 such comparisons.\n";
  }
  for (const std::string& line : report.not_compared)
    out += fmt::format("  {} not compared: {}\n", colours ? "\x1b[33m!\x1b[0m" : "!", printable(line));
  return out;
}

Json paired_json(const PairedReport& report) {
  Json runs = Json::array(), rows = Json::array();
  for (size_t i = 0; i < report.runs.size(); ++i)
    runs.push_back({{"run", report.runs[i]->run.id}, {"label", report.labels[i]}, {"subject", report.runs[i]->subject()},
                    {"performance", to_json(report.runs[i]->performance)}});
  auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(); };
  for (const PairedRow& row : report.rows) {
    const ScoreMove& m = row.move;
    rows.push_back({{"task", row.task_a->task}, {"metric", row.task_a->primary_metric}, {"filter", row.task_a->primary_filter},
                    {"run_a", row.a->run.id}, {"run_b", row.b->run.id}, {"n", m.n}, {"value_a", number(m.value_a)},
                    {"value_b", number(m.value_b)}, {"difference", number(m.difference)}, {"low", number(m.low)},
                    {"high", number(m.high)}, {"only_a", m.n_only_a}, {"only_b", m.n_only_b},
                    {"test", m.binary ? "mcnemar_exact" : "sign_flip"}, {"p", number(m.p_value)},
                    {"p_holm", number(m.p_adjusted)}, {"significant", m.significant},
                    {"smallest_detectable_gap", number(m.detectable)}, {"verdict", better(row)}});
  }
  return {{"runs", runs}, {"differences", settings_that_differ(report.runs)}, {"comparisons", rows},
          {"not_compared", report.not_compared}};
}

}  // namespace qeval
