#include "qeval/report/tracker.h"

#include <fmt/format.h>

#include <set>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

std::string keep(const std::string& name, const std::map<std::string, std::string>& kept) {
  auto it = kept.find(name);
  std::string text = it == kept.end() ? "" : it->second;
  if (!text.empty() && text.back() != '\n') text += '\n';
  return fmt::format("<!-- qeval:keep {} -->\n{}<!-- /qeval:keep -->\n\n", name, text);
}

std::string header(const TrackerInput& input) {
  std::string updated = "never", engines, devices;
  if (!input.runs.empty()) {
    int64_t newest = 0;
    for (const RunView& v : input.runs) newest = std::max(newest, std::max(v.run.ended_ms, v.run.started_ms));
    updated = utc_iso(newest);
    const RunView& last = input.runs.back();
    engines = fmt::format("{} {}", last.engine_name, last.engine_version);
    devices = last.device;
  }
  return fmt::format("# Qwen Model Evaluation Tracker\n\n<!-- qeval:tracker version=1: written by qeval from its store; text between "
                     "qeval:keep marks is yours and stays -->\n\n## Overview\n\nEvery number below comes from stored answers: `qeval show RUN` reads them, "
                     "`qeval rescore RUN` scores them again.\n\n**Last Updated:** {}  \n**Engine:** {}  \n**Environment:** {}  \n\n",
                     updated, engines.empty() ? "*none yet*" : escape_markdown_cell(engines),
                     devices.empty() ? "*unmeasured*" : escape_markdown_cell(devices));
}

}  // namespace

std::string render_tracker(const TrackerInput& input, const std::map<std::string, std::string>& kept) {
  std::string out = header(input);
  out += keep("overview", kept);
  out += "---\n\n" + models_section(input);
  out += "---\n\n" + presets_section(input);
  out += "---\n\n## Evaluation Results\n\n" + results_sections(input);
  out += "---\n\n## Comparative Analysis\n\n" + comparison_section(input) + keep("analysis", kept);
  out += "---\n\n## Upcoming Evaluations\n\n" + upcoming_section(input) + keep("upcoming", kept);
  out += "---\n\n## Research Questions\n\n" + questions_section(input) + keep("questions", kept);
  out += "---\n\n## Development Notes\n\n### Known Issues\n\n" + known_issues_section(input);
  out += "### Optimisation Opportunities\n\n" + opportunities_section(input) + keep("notes", kept);
  out += "---\n\n## Changelog\n\n" + changelog_section(input) + keep("changelog", kept);
  if (!input.adopted.empty()) out += "---\n\n## Kept from the earlier document\n\n" + input.adopted + (input.adopted.back() == '\n' ? "" : "\n");
  return out;
}

std::string tracker_quality_part(const TrackerInput& input) {
  std::string out;
  for (const RunView& view : input.runs) out += fmt::format("### {}\n\n{}\n", view.subject(), dataset_table(view));
  return out;
}

}  // namespace qeval
