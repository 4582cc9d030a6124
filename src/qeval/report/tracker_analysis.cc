#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

const TaskSummary* same_question(const RunView& view, const TaskSummary& t) {
  for (const TaskSummary& other : view.tasks)
    if (other.task == t.task && other.version == t.version && other.num_fewshot == t.num_fewshot &&
        other.chat_template == t.chat_template && other.n_docs == t.n_docs)
      return &other;
  return nullptr;
}

std::string move_text(const ScoreMove& move) {
  return fmt::format("{:+.1f} points, {}", 100 * move.difference, move.significant ? "more than noise" : "within noise");
}

bool finished(const RunView& v) { return v.run.status == RunStatus::done; }

// The newest finished run of each subject.
std::vector<const RunView*> newest_by_subject(const TrackerInput& input) {
  std::map<std::string, const RunView*> newest;
  for (const RunView& v : input.runs)
    if (finished(v)) newest[v.subject()] = &v;
  std::vector<const RunView*> out;
  for (const auto& [subject, view] : newest) out.push_back(view);
  return out;
}

}  // namespace

std::optional<ScoreMove> score_move(const TaskSummary& before, const TaskSummary& after) {
  const MetricSummary *a = before.primary(), *b = after.primary();
  if (!a || !b || !std::isfinite(a->value) || !std::isfinite(b->value) || a->n == 0 || b->n == 0) return std::nullopt;
  auto variance = [](const MetricSummary& m) {
    if (std::isfinite(m.stderr_value) && m.stderr_value > 0) return m.stderr_value * m.stderr_value;
    // A score of 0 or 1 has no spread of its own: the interval's half width stands in.
    double half = (m.high - m.low) / 2 / 1.96;
    return std::isfinite(half) ? half * half : 0.0;
  };
  ScoreMove move;
  move.difference = b->value - a->value;
  move.significant = std::abs(move.difference) > 1.96 * std::sqrt(variance(*a) + variance(*b));
  return move;
}

std::string comparison_section(const TrackerInput& input) {
  auto views = newest_by_subject(input);
  if (views.size() < 2) return "One configuration so far: nothing to compare.\n\n";
  Table table;
  table.headers = {"Task", "A", "B", "A score", "B score", "B − A"};
  for (size_t i = 0; i < views.size(); ++i) {
    for (size_t j = i + 1; j < views.size(); ++j) {
      for (const TaskSummary& a : views[i]->tasks) {
        const TaskSummary* b = same_question(*views[j], a);
        if (!b) continue;
        auto move = score_move(a, *b);
        if (!move) continue;
        table.rows.push_back({a.title, views[i]->subject(), views[j]->subject(), score_text(*a.primary()), score_text(*b->primary()), move_text(*move)});
      }
    }
  }
  if (table.rows.empty()) return "No two configurations answered the same questions (task, version, shots, template, number of docs).\n\n";
  return "Same task, version, shots, template and number of docs; unpaired at 95 %, from summaries.\n\n" + table.markdown() + "\n";
}

std::string questions_section(const TrackerInput& input) {
  std::string out;
  std::map<std::string, std::pair<double, int>> by_category;
  for (const RunView* v : newest_by_subject(input))
    for (const TaskSummary& t : v->tasks)
      if (const MetricSummary* m = t.primary(); m && m->is_proportion) {
        by_category[t.category].first += m->value;
        by_category[t.category].second += 1;
      }
  for (const auto& [category, sum] : by_category)
    out += fmt::format("- **{}**: {} on average over {} score{}.\n", escape_markdown_cell(category), percent(sum.first / sum.second), sum.second, sum.second == 1 ? "" : "s");
  for (const RunView* v : newest_by_subject(input)) {
    for (const TaskSummary& t : v->tasks) {
      const ClassCount* c = most_frequent_failure(t);
      if (c && c->n > 0 && t.n_docs > 0)
        out += fmt::format("- Why is {} of {} not higher? Most often {} ({} of {}).\n", escape_markdown_cell(t.title),
                           escape_markdown_cell(v->weights_name()), to_string(c->failure_class), c->n, t.n_docs);
    }
  }
  return (out.empty() ? "No finished run answers one yet.\n" : out) + "\n";
}

std::string known_issues_section(const TrackerInput& input) {
  std::string out;
  for (const RunView* v : newest_by_subject(input)) {
    for (const TaskSummary& t : v->tasks)
      for (const Flag& f : t.flags)
        out += fmt::format("- {} · {}: {}: {}{}\n", escape_markdown_cell(v->subject()), escape_markdown_cell(t.title), f.kind,
                           escape_markdown_cell(f.reason), f.cause.empty() ? "" : "; likely cause: " + escape_markdown_cell(f.cause));
    if (!v->weights.verified) out += fmt::format("- {}: the weights are declared, not verified.\n", escape_markdown_cell(v->subject()));
  }
  return (out.empty() ? "None known.\n" : out) + "\n";
}

std::string opportunities_section(const TrackerInput& input) {
  std::string out;
  for (const RunView* v : newest_by_subject(input)) {
    const RunPerformance& p = v->performance;
    if (p.n_prompt_tokens > 0 && p.n_cached_tokens * 5 > p.n_prompt_tokens)
      out += fmt::format("- {}: {} of the prompt tokens were shared; fixed few-shot examples share most.\n", escape_markdown_cell(v->subject()),
                         percent(static_cast<double>(p.n_cached_tokens) / static_cast<double>(p.n_prompt_tokens), 0));
    for (const TaskSummary& t : v->tasks) {
      const ClassCount* c = most_frequent_failure(t);
      if (c && c->failure_class == FailureClass::truncated && c->n * 10 > t.n_docs)
        out += fmt::format("- {}: {} of {} answers of {} were cut by the token limit: raise it with --gen-kwargs max_gen_toks=N.\n",
                           escape_markdown_cell(v->subject()), c->n, t.n_docs, escape_markdown_cell(t.title));
    }
  }
  return (out.empty() ? "None that the numbers show.\n" : out) + "\n";
}

std::string changelog_section(const TrackerInput& input) {
  std::string out;
  for (size_t i = input.runs.size(); i-- > 0;) {
    const RunView& v = input.runs[i];
    out += fmt::format("### Run {} · {} · {}\n\n", v.run.id, utc_iso(v.run.ended_ms ? v.run.ended_ms : v.run.started_ms).substr(0, 10), escape_markdown_cell(v.subject()));
    for (const TaskSummary& t : v.tasks) {
      const MetricSummary* m = t.primary();
      if (!m) continue;
      std::string moved = "first time";
      for (size_t j = i; j-- > 0;) {
        if (input.runs[j].subject() != v.subject()) continue;
        const TaskSummary* before = same_question(input.runs[j], t);
        if (!before) continue;
        if (auto move = score_move(*before, t)) moved = fmt::format("{} since run {}", move_text(*move), input.runs[j].run.id);
        break;
      }
      out += fmt::format("- {}: {} {} (n = {}): {}\n", escape_markdown_cell(t.title), score_text(*m), interval_text(*m), m->n, moved);
    }
    out += "\n";
  }
  if (input.imported.is_object()) {
    std::string when = json_string(input.imported, "last_updated", "unknown date");
    out += fmt::format("### First tracker · {} (imported, unverified)\n\n", escape_markdown_cell(when));
    for (const Json& s : input.imported["scores"])
      out += fmt::format("- {}: {} (n = {})\n", escape_markdown_cell(json_string(s, "dataset")), percent(json_number(s, "value")), json_int(s, "samples"));
    out += "\n";
  }
  return out.empty() ? "No run yet.\n\n" : out;
}

}  // namespace qeval
