#include "qeval/task/near_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace qeval {
namespace {

size_t edits(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string near_names(const std::string& name, const std::vector<std::string>& known) {
  if (name.empty() || name.size() > 100) return "";
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& other : known) {
    if (other.size() > 100) continue;
    size_t distance = other.starts_with(name) ? 1 : edits(name, other);
    if (distance * 3 <= std::max(name.size(), other.size())) near.emplace_back(distance, other);
  }
  std::sort(near.begin(), near.end());
  if (near.empty()) return "";
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(3, near.size()); ++i) out += (i ? ", " : "") + near[i].second;
  return fmt::format("; did you mean {}?", out);
}

}  // namespace qeval
