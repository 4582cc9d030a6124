#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

// Variants of a dataset ("GSM8K (CoT)") are rows of their dataset.
bool is_row(const std::string& title, const std::string& row) {
  if (!title.starts_with(row)) return false;
  return title.size() == row.size() || title[row.size()] == ' ' || title[row.size()] == '(';
}

bool same_protocol(const TaskSummary& a, const TaskSummary& b) {
  return a.task == b.task && a.num_fewshot == b.num_fewshot && a.chat_template == b.chat_template && a.protocol == b.protocol;
}

int64_t n_scored(const TaskSummary& t) {
  const MetricSummary* m = t.primary();
  return m ? m->n : 0;
}

// Later runs win unless they scored fewer docs of the same version: a quick look does not hide a full run.
std::vector<SubjectRow> scored_rows(const Subject& subject) {
  std::vector<SubjectRow> rows;
  auto add = [&](const RunView* view, const TaskSummary& t) {
    auto found =
        std::find_if(rows.begin(), rows.end(), [&](const SubjectRow& row) { return same_protocol(*row.task, t); });
    SubjectRow row{row_title(t), view, &t, ""};
    if (found == rows.end())
      rows.push_back(row);
    else if (found->task->version != t.version || n_scored(t) >= n_scored(*found->task))
      *found = row;
  };
  for (const RunView* view : subject.runs)
    for (const TaskSummary* t : leading_scores(*view)) add(view, *t);
  return rows;
}

std::string pending_reason(const Subject& subject, const std::string& title) {
  for (size_t i = subject.runs.size(); i-- > 0;)
    for (const PendingRow& p : subject.runs[i]->pending)
      if (is_row(p.row.empty() ? p.task : p.row, title)) return p.reason;
  return "not run under this preset";
}

void arrange_rows(Subject& subject) {
  std::vector<SubjectRow> scored = scored_rows(subject);
  std::set<const TaskSummary*> placed;
  for (const std::string& title : first_tracker_rows()) {
    bool any = false;
    for (const SubjectRow& row : scored) {
      if (!is_row(row.title, title) || !placed.insert(row.task).second) continue;
      subject.rows.push_back(row);
      any = true;
    }
    if (!any) subject.rows.push_back({title, nullptr, nullptr, pending_reason(subject, title)});
  }
  for (const SubjectRow& row : scored)
    if (placed.insert(row.task).second) subject.rows.push_back(row);
}

size_t preset_rank(const TrackerInput& input, const std::string& name) {
  for (size_t i = 0; i < input.presets.size(); ++i)
    if (input.presets[i].name == name) return i;
  return input.presets.size();
}

}  // namespace

const std::vector<std::string>& first_tracker_rows() {
  static const std::vector<std::string> rows = {"GSM8K", "ARC Challenge", "HumanEval", "MBPP", "HellaSwag", "MT-Bench"};
  return rows;
}

std::string row_title(const TaskSummary& task) {
  if (!task.row.empty()) return task.row;
  return task.title.empty() ? task.task : task.title;
}

std::string md(const std::string& text) {
  std::string line;
  for (char c : text) line += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  return escape_markdown_cell(line);
}

std::string md_code(const std::string& text) {
  std::string line;
  for (char c : text) line += c == '`' ? '\'' : c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  return "`" + (line.empty() ? " " : printable(line)) + "`";
}

std::string day_of(int64_t utc_ms) { return utc_ms > 0 ? utc_iso(utc_ms).substr(0, 10) : "date unknown"; }

std::string preset_title(const std::string& name) {
  std::string out;
  bool start = true;
  for (char c : name) {
    out += c == '_' ? ' ' : start && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    start = c == '_' || c == ' ';
  }
  return out;
}

bool Subject::tested() const {
  return std::any_of(rows.begin(), rows.end(),
                     [](const SubjectRow& row) { return row.task && n_scored(*row.task) > 0; });
}

std::vector<ModelGroup> model_groups(const TrackerInput& input) {
  std::vector<ModelGroup> groups;
  for (const RunView& view : input.runs) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const ModelGroup& g) { return g.newest->model_key() == view.model_key(); });
    if (group == groups.end()) group = groups.insert(groups.end(), ModelGroup{});
    group->newest = &view;
    auto& subjects = group->subjects;
    auto subject = std::find_if(subjects.begin(), subjects.end(),
                                [&](const Subject& s) { return s.newest->subject_key() == view.subject_key(); });
    if (subject == subjects.end()) subject = subjects.insert(subjects.end(), Subject{});
    subject->runs.push_back(&view);
    subject->newest = &view;
    if (view.performance.n_responses > 0) subject->measured = &view;
  }
  for (ModelGroup& group : groups) {
    std::stable_sort(group.subjects.begin(), group.subjects.end(), [&](const Subject& a, const Subject& b) {
      return preset_rank(input, a.newest->run.preset) < preset_rank(input, b.newest->run.preset);
    });
    for (Subject& subject : group.subjects) arrange_rows(subject);
  }
  return groups;
}

std::vector<const Subject*> all_subjects(const std::vector<ModelGroup>& groups) {
  std::vector<const Subject*> out;
  for (const ModelGroup& group : groups)
    for (const Subject& subject : group.subjects) out.push_back(&subject);
  return out;
}

std::vector<const ModelSpec*> specs_of(const TrackerInput& input, const RunView& view) {
  std::vector<const ModelSpec*> out;
  std::string hf_id = view.hf_id.empty() ? view.weights.hf_id : view.hf_id;
  for (const ModelSpec& m : input.models)
    if ((!hf_id.empty() && m.hf_id == hf_id) || (hf_id.empty() && m.id == view.run.model_id)) out.push_back(&m);
  return out;
}

Comparisons compare_subjects(const std::vector<const Subject*>& subjects) {
  Comparisons out;
  std::set<std::string> told;
  for (size_t i = 0; i < subjects.size(); ++i) {
    for (size_t j = i + 1; j < subjects.size(); ++j) {
      for (const SubjectRow& a : subjects[i]->rows) {
        std::string difference;
        bool compared = false;
        for (const SubjectRow& b : subjects[j]->rows) {
          if (!a.task || !b.task || a.title != b.title) continue;
          if (auto move = compare_scores({a.view, a.task}, {b.view, b.task})) {
            out.moves.push_back({subjects[i], subjects[j], &a, &b, *move});
            compared = true;
          } else if (std::string why = what_differs({a.view, a.task}, {b.view, b.task}); !why.empty()) {
            difference = why;
          }
        }
        if (compared || difference.empty()) continue;
        std::string line = fmt::format("{}: {} against {}: {}", md(a.title), md(subjects[i]->label()),
                                       md(subjects[j]->label()), md(difference));
        if (told.insert(line).second) out.not_compared.push_back(line);
      }
    }
  }
  std::vector<ScoreMove*> family;
  for (Comparison& c : out.moves) family.push_back(&c.move);
  settle(family);
  return out;
}

}  // namespace qeval
