#pragma once

#include <string>
#include <vector>

#include "qeval/report/comparison.h"
#include "qeval/report/tracker.h"

namespace qeval {

// A dataset row of one subject: its best supported result, or why there is none.
struct SubjectRow {
  std::string title;              // "GSM8K"
  const RunView* view = nullptr;  // null: pending
  const TaskSummary* task = nullptr;
  std::string pending;
};

// One model (weights, quantisation) under one preset on one engine: everything that ran so.
struct Subject {
  std::vector<const RunView*> runs;  // oldest first
  std::vector<SubjectRow> rows;      // v1's datasets first, in its order
  const RunView* newest = nullptr;
  const RunView* measured = nullptr;  // the newest that decoded anything; null: everything came from the store
  std::string label() const { return newest->subject(); }
  bool tested() const;  // a row has a score
};

// Subjects of one model, in the order of the presets. Models in order of their first run.
struct ModelGroup {
  std::vector<Subject> subjects;
  const RunView* newest = nullptr;
};
std::vector<ModelGroup> model_groups(const TrackerInput& input);
std::vector<const Subject*> all_subjects(const std::vector<ModelGroup>& groups);
// The registry's row of these weights, by HF id; null = not in it. Several ids may share one HF id.
std::vector<const ModelSpec*> specs_of(const TrackerInput& input, const RunView& view);

// The two comparable scores of one row in two subjects, with how it moved.
struct Comparison {
  const Subject *a = nullptr, *b = nullptr;
  const SubjectRow *row_a = nullptr, *row_b = nullptr;
  ScoreMove move;
};
struct Comparisons {
  std::vector<Comparison> moves;          // settled together
  std::vector<std::string> not_compared;  // why, one line each; nothing is left out silently
};
Comparisons compare_subjects(const std::vector<const Subject*>& subjects);

// Parts of the document, each ending with an empty line.
std::string overview_section(const TrackerInput& input);
std::string models_section(const TrackerInput& input);
std::string presets_section(const TrackerInput& input);
std::string results_section(const TrackerInput& input, const std::vector<ModelGroup>& groups);
std::string agent_workflows(const Subject& subject);  // "" where no agent task ran
// Of a run's system performance: power and energy, the server's counters, what disturbed, and the plan's figures beside.
std::string serving_lines(const RunPerformance& performance);
std::string dataset_table(const Subject& subject, bool with_runs);
std::string function_calling_section(const Subject& subject);
std::string thinking_section(const Subject& subject);  // "" where no task said whether to think
std::string issues_identified(const Subject& subject, bool with_runs);
std::string comparison_section(const std::vector<const Subject*>& subjects, const Comparisons& comparisons);
std::string judged_pairs_table(const TrackerInput& input);  // "" where no two runs were compared by a judge
std::string upcoming_section(const TrackerInput& input, const std::vector<ModelGroup>& groups);
std::string questions_section(const std::vector<const Subject*>& subjects, const Comparisons& comparisons);
std::string environment_section(const TrackerInput& input);
std::string known_issues_section(const TrackerInput& input, const std::vector<const Subject*>& subjects);
std::string opportunities_section(const std::vector<const Subject*>& subjects);
std::string changelog_section(const TrackerInput& input);

// Text of models, data and files, safe in a paragraph, a heading or a list item: one line, no markup.
std::string md(const std::string& text);
// The same as `code`.
std::string md_code(const std::string& text);
std::string day_of(int64_t utc_ms);                 // 2026-11-24
std::string preset_title(const std::string& name);  // "Memory Optimized"
std::string row_title(const TaskSummary& task);
const std::vector<std::string>& first_tracker_rows();  // GSM8K, ARC Challenge …

}  // namespace qeval
