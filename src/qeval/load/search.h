#pragma once

#include <functional>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

struct RateSearch {
  double first = 1;        // rate tried first
  double precision = 1.05; // the bracket's ratio at which the search ends
  int max_trials = 20;
};
struct RateFound {
  double best = 0;         // highest rate that met the targets; 0 = none did
  double failed = 0;       // lowest rate that did not; 0 = none failed
  int n_trials = 0;
};
// Highest rate that meets the targets: up or down by factors of 2 until both sides are known, then by halves of the
// ratio. `meets` runs a level; its error ends the search.
Result<RateFound> find_highest_rate(const RateSearch& search, const std::function<Result<bool>(double rate)>& meets);

}  // namespace qeval
