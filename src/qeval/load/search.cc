#include "qeval/load/search.h"

#include <cmath>

namespace qeval {

Result<RateFound> find_highest_rate(const RateSearch& search, const std::function<Result<bool>(double)>& meets) {
  RateFound found;
  double rate = search.first;
  while (found.n_trials < search.max_trials) {
    QEVAL_TRY(bool met, meets(rate));
    ++found.n_trials;
    if (met) found.best = rate;
    else found.failed = rate;
    if (found.best == 0) rate = found.failed / 2;
    else if (found.failed == 0) rate = found.best * 2;
    else if (found.failed / found.best <= search.precision) break;
    else rate = std::sqrt(found.best * found.failed);
  }
  return found;
}

}  // namespace qeval
