#include "qeval/text/near_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "qeval/text/edit_distance.h"

namespace qeval {
namespace {

constexpr size_t kLongest = 100;  // names, not documents: the distance is quadratic
constexpr size_t kFewestShared = 3;

bool one_holds_the_other(const std::string& a, const std::string& b) {
  if (std::min(a.size(), b.size()) < kFewestShared) return false;
  return a.find(b) != std::string::npos || b.find(a) != std::string::npos;
}

}  // namespace

std::string near_names(const std::string& name, const std::vector<std::string>& known) {
  if (name.empty() || name.size() > kLongest) return "";
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& other : known) {
    if (other.empty() || other.size() > kLongest) continue;
    size_t distance = edit_distance(name, other);
    bool close = distance <= std::max<size_t>(2, std::max(name.size(), other.size()) / 3) && distance < name.size();
    if (other.starts_with(name))
      near.emplace_back(1, other);
    else if (close || one_holds_the_other(name, other))
      near.emplace_back(distance, other);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(3, near.size()); ++i) names.push_back(near[i].second);
  return names.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(names, ", "));
}

}  // namespace qeval
