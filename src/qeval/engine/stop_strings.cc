#include "qeval/engine/stop_strings.h"

#include <algorithm>

namespace qeval {

StopScanner::StopScanner(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    if (stop.empty()) continue;
    stops_.push_back(stop);
    longest_ = std::max(longest_, stop.size());
  }
}

std::optional<StopScanner::Hit> StopScanner::scan(std::string_view text) {
  if (stops_.empty() || text.size() <= seen_) return std::nullopt;
  const size_t from = seen_ - std::min(seen_, longest_ - 1);
  seen_ = text.size();
  std::optional<Hit> best;
  for (const std::string& stop : stops_) {
    // Nothing that begins at or after the best hit can win, so the window shrinks.
    const std::string_view window = best ? text.substr(0, best->position + stop.size() - 1) : text;
    const size_t at = window.find(stop, from);
    if (at != std::string_view::npos) best = Hit{at, stop};
  }
  return best;
}

}  // namespace qeval
