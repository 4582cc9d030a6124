#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"

namespace qeval {
namespace {

struct Entry {
  const TaskSummary* task = nullptr;
  const RunView* before = nullptr;  // the newest earlier run of the same configuration with the same question
  const TaskSummary* task_before = nullptr;
  ScoreMove move;
};

// The newest earlier result of the same task under the same configuration; comparable ones go first.
void find_before(const TrackerInput& input, size_t run, Entry& entry) {
  const RunView& now = input.runs[run];
  for (size_t i = run; i-- > 0;) {
    const RunView& v = input.runs[i];
    if (v.subject_key() != now.subject_key()) continue;
    for (const TaskSummary* score : leading_scores(v)) {
      const TaskSummary& t = *score;
      if (t.task != entry.task->task || !t.primary() || t.primary()->n == 0) continue;
      if (!entry.before) {
        entry.before = &v;
        entry.task_before = &t;
      }
      if (auto move = compare_scores({&v, &t}, {&now, entry.task})) {
        entry.before = &v;
        entry.task_before = &t;
        entry.move = *move;
        return;
      }
    }
  }
}

std::string moved_text(const RunView& now, const Entry& e) {
  if (!e.before) return "first result under this configuration";
  std::string why = what_differs({e.before, e.task_before}, {&now, e.task});
  if (!why.empty()) return fmt::format("not comparable with run {}: {}", e.before->run.id, why);
  std::string out = fmt::format("{} since run {}", move_text(e.move, *e.task->primary()), e.before->run.id);
  if (e.before->engine_version != now.engine_version)
    out += fmt::format("; engine {} before, {} now", e.before->engine_version, now.engine_version);
  return out;
}

std::string sign_of(const Entry& e) {
  if (!e.task->flags.empty() || e.task->n_infrastructure > 0) return "⚠️";
  if (!e.before || !e.move.significant) return "📋";
  return (e.move.difference > 0) == e.task->primary()->higher_is_better ? "✅" : "❌";
}

std::string run_entry(const TrackerInput& input, size_t run) {
  const RunView& v = input.runs[run];
  std::string out = fmt::format("### Run {} - {} - {}\n\n", v.run.id, day_of(v.when_ms()), md(v.subject()));
  std::deque<Entry> entries;
  std::vector<ScoreMove*> family;
  for (const TaskSummary* score : leading_scores(v)) {
    const TaskSummary& t = *score;
    if (!t.primary() || t.primary()->n == 0) continue;
    Entry& e = entries.emplace_back();
    e.task = &t;
    find_before(input, run, e);
    if (e.before && what_differs({e.before, e.task_before}, {&v, &t}).empty()) family.push_back(&e.move);
  }
  settle(family);
  for (const Entry& e : entries) {
    const MetricSummary& m = *e.task->primary();
    std::string doubt = doubt_text(*e.task);
    if (!doubt.empty()) doubt = "; " + doubt;
    out += fmt::format("- {} {}: {} {} (n = {}): {}\n", sign_of(e), md(row_title(*e.task)), score_text(m),
                       md(interval_text(m)), m.n, md(moved_text(v, e) + doubt));
  }
  if (entries.empty()) out += "- ❌ ended before anything was scored\n";
  if (v.run.status == RunStatus::interrupted) out += "- ⏳ interrupted: the same command goes on\n";
  return out + "\n";
}

std::string imported_entry(const Json& imported) {
  std::string out =
      fmt::format("### First tracker {}- {} (imported, unverified)\n\n",
                  json_string(imported, "framework").empty() ? "" : md(json_string(imported, "framework")) + " ",
                  md(json_string(imported, "last_updated", "date unknown")));
  if (imported.contains("scores") && imported["scores"].is_array())
    for (const Json& s : imported["scores"])
      out += fmt::format("- 📋 {}, {}: {} {} (n = {})\n", md(json_string(s, "model")), md(json_string(s, "preset")),
                         md(json_string(s, "dataset")), percent(json_number(s, "value")), json_int(s, "samples"));
  return out + "\n";
}

}  // namespace

std::string changelog_section(const TrackerInput& input) {
  std::string out = "## Changelog\n\n";
  for (size_t i = input.runs.size(); i-- > 0;) out += run_entry(input, i);
  if (input.imported.is_object()) out += imported_entry(input.imported);
  if (input.runs.empty() && !input.imported.is_object()) out += "No run yet.\n\n";
  return out;
}

}  // namespace qeval
