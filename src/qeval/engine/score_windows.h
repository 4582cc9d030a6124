#pragma once

#include <string>
#include <vector>

#include "qeval/core/request.h"

namespace qeval {

// One token sequence to score: the last n_targets tokens, each from all that stand before it.
struct ScoreWindow {
  std::vector<TokenId> tokens;
  int n_targets = 0;
  int first_target = 0;  // index of the first one among the request's targets (rolling: several windows)
};

// A continuation after a context, as lm-eval builds it: the last max_len + 1 tokens are kept. Empty result: nothing to
// score, or the continuation alone exceeds max_len; `why` says which.
std::vector<ScoreWindow> continuation_windows(std::vector<TokenId> context, const std::vector<TokenId>& continuation,
                                              int max_len, bool* truncated, std::string* why);
// Disjoint windows over a whole text, each predicted from at least one token before it (lm-eval's rolling windows with
// context_len 1): `prefix` stands before the first token; the last window reaches back to fill max_len.
std::vector<ScoreWindow> rolling_windows(const std::vector<TokenId>& tokens, TokenId prefix, int max_len);

}  // namespace qeval
