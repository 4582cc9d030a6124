#include "qeval/report/tracker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "qeval/report/tracker_sections.h"

namespace qeval {
namespace {

// Lines of an adopted text that would pass for marks of ours are shown as text.
std::string without_marks(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    std::string_view line(text.data() + at, end - at);
    if (line.starts_with("<!-- qeval:") || line.starts_with("<!-- /qeval:")) out += '\\';
    out += line;
    at = end;
  }
  return out;
}

// The places of people's texts; remembers which names have been placed.
class Kept {
 public:
  explicit Kept(const std::map<std::string, std::string>& texts) : texts_(texts) {}

  std::string block(const std::string& name, const std::string& otherwise = "") {
    placed_.insert(name);
    auto it = texts_.find(name);
    std::string text = it == texts_.end() ? otherwise : it->second;
    if (!text.empty() && text.back() != '\n') text += '\n';
    return fmt::format("<!-- qeval:keep {} -->\n{}<!-- /qeval:keep -->\n\n", name, text);
  }
  std::string rest() {
    std::string out;
    for (const auto& [name, text] : texts_)
      if (!placed_.contains(name) && !text.empty()) out += block(name);
    return out.empty() ? "" : "---\n\n## Further Notes\n\n" + out;
  }
  bool has(const std::string& name) const { return texts_.contains(name); }

 private:
  const std::map<std::string, std::string>& texts_;
  std::set<std::string> placed_;
};

}  // namespace

std::string render_tracker(const TrackerInput& input, const std::map<std::string, std::string>& kept_texts) {
  Kept kept(kept_texts);
  std::vector<ModelGroup> groups = model_groups(input);
  std::vector<const Subject*> subjects = all_subjects(groups);
  Comparisons comparisons = compare_subjects(subjects);
  std::string out = overview_section(input) + kept.block("overview");
  out += "---\n\n" + models_section(input) + "---\n\n" + presets_section(input);
  out += "---\n\n" + results_section(input, groups) + kept.block("results");
  out += "---\n\n" + comparison_section(subjects, comparisons) + judged_pairs_table(input) + kept.block("analysis");
  out += "---\n\n" + upcoming_section(input, groups) + kept.block("upcoming");
  out += "---\n\n" + questions_section(subjects, comparisons) + kept.block("questions");
  out += "---\n\n## Development Notes\n\n" + environment_section(input) + known_issues_section(input, subjects) +
         opportunities_section(subjects) + kept.block("notes");
  out += "---\n\n" + changelog_section(input) + kept.block("changelog");
  out += "---\n\n## Future Enhancements\n\n" + kept.block("future");
  if (!input.adopted.empty() || kept.has("adopted"))
    out += "---\n\n## Kept From the Earlier Document\n\n" + kept.block("adopted", without_marks(input.adopted));
  out += kept.rest();
  return out +
         "---\n\n*Written by `qeval tracker` and after each run. Change the text between the keep marks; everything "
         "else is written anew.*\n";
}

std::string tracker_quality_part(const TrackerInput& input) {
  std::string out;
  for (const ModelGroup& group : model_groups(input))
    for (const Subject& s : group.subjects)
      out += fmt::format("### {}\n\n{}\n{}\n", md(s.label()), dataset_table(s, false), issues_identified(s, false));
  return out;
}

}  // namespace qeval
