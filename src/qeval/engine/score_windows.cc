#include "qeval/engine/score_windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace qeval {

std::vector<ScoreWindow> continuation_windows(std::vector<TokenId> context, const std::vector<TokenId>& continuation,
                                        int max_len, bool* truncated, std::string* why) {
  *truncated = false;
  if (continuation.empty()) {
    *why = "the continuation has no tokens of its own";
    return {};
  }
  if (static_cast<int64_t>(continuation.size()) > max_len) {
    *why = fmt::format("the continuation has {} tokens, the model takes {}", continuation.size(), max_len);
    return {};
  }
  ScoreWindow window;
  window.tokens = std::move(context);
  window.tokens.insert(window.tokens.end(), continuation.begin(), continuation.end());
  const size_t limit = static_cast<size_t>(max_len) + 1;
  if (window.tokens.size() > limit) {
    window.tokens.erase(window.tokens.begin(), window.tokens.end() - static_cast<std::ptrdiff_t>(limit));
    *truncated = true;
  }
  window.n_targets = static_cast<int>(continuation.size());
  std::vector<ScoreWindow> out;
  out.push_back(std::move(window));
  return out;
}

std::vector<ScoreWindow> rolling_windows(const std::vector<TokenId>& tokens, TokenId prefix, int max_len) {
  std::vector<ScoreWindow> out;
  const int n = static_cast<int>(tokens.size());
  for (int done = 0; done < n;) {
    const int n_targets = std::min(n - done, max_len);
    const int end = done + n_targets;
    ScoreWindow window;
    // At most max_len input tokens, so the first may lie max_len + 1 before the end.
    const int begin = done == 0 ? -1 : std::max(-1, end - max_len - 1);
    if (begin < 0) window.tokens.push_back(prefix);
    window.tokens.insert(window.tokens.end(), tokens.begin() + std::max(begin, 0), tokens.begin() + end);
    window.n_targets = n_targets;
    window.first_target = done;
    out.push_back(std::move(window));
    done = end;
  }
  return out;
}

}  // namespace qeval
