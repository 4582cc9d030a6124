#include "qeval/task/near_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/edit_distance.h"

namespace qeval {
std::string near_names(const std::string& name, const std::vector<std::string>& known) {
  if (name.empty() || name.size() > 100) return "";
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& other : known) {
    if (other.size() > 100) continue;
    size_t distance = other.starts_with(name) ? 1 : edit_distance(name, other);
    if (distance * 3 <= std::max(name.size(), other.size())) near.emplace_back(distance, other);
  }
  std::sort(near.begin(), near.end());
  if (near.empty()) return "";
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(3, near.size()); ++i) out += (i ? ", " : "") + near[i].second;
  return fmt::format("; did you mean {}?", out);
}

}  // namespace qeval
