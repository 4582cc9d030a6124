#include "qeval/registry/near_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace qeval {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t next = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = next;
    }
  }
  return row[b.size()];
}

}  // namespace

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
