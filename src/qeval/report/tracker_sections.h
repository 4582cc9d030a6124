#pragma once

#include <string>

#include "qeval/report/tracker.h"

namespace qeval {

// The parts of TRACKER.md, each ending with an empty line. All text that came from models or files is escaped.
std::string models_section(const TrackerInput& input);
std::string presets_section(const TrackerInput& input);
std::string results_sections(const TrackerInput& input);
std::string dataset_table(const RunView& view);
std::string comparison_section(const TrackerInput& input);
std::string upcoming_section(const TrackerInput& input);
std::string questions_section(const TrackerInput& input);
std::string known_issues_section(const TrackerInput& input);
std::string opportunities_section(const TrackerInput& input);
std::string changelog_section(const TrackerInput& input);

// Difference of two scores of the same task, version, protocol and sample; whether it is more than noise at 95 %
// (unpaired normal: the tracker reads summaries alone).
struct ScoreMove { double difference = 0; bool significant = false; };
std::optional<ScoreMove> score_move(const TaskSummary& before, const TaskSummary& after);

}  // namespace qeval
