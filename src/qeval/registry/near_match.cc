#include "qeval/registry/near_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "qeval/text/edit_distance.h"

namespace qeval {
std::string near_matches_text(const std::string& wanted, const std::vector<std::string>& known) {
  std::string needle = wanted.substr(0, 100);
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& name : known) {
    size_t distance = edit_distance(needle, name);
    bool contains =
        !needle.empty() && (name.find(needle) != std::string::npos || needle.find(name) != std::string::npos);
    if (contains || distance <= std::max<size_t>(2, needle.size() / 3))
      ranked.emplace_back(contains ? distance / 4 : distance, name);
  }
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > 3) ranked.resize(3);
  std::vector<std::string> names;
  for (auto& [rank, name] : ranked) names.push_back(name);
  return names.empty() ? "" : fmt::format("; near: {}", fmt::join(names, ", "));
}

}  // namespace qeval
