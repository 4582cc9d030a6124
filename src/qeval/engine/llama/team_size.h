#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

namespace qeval {

// How many threads the next parallel region of the calling thread may have: what oneDNN goes by. Put back at the end.
class TeamSize {
 public:
#ifdef _OPENMP
  explicit TeamSize(int n) : before_(omp_get_max_threads()) { omp_set_num_threads(n); }
  ~TeamSize() { omp_set_num_threads(before_); }
#else
  explicit TeamSize(int) {}
#endif
  TeamSize(const TeamSize&) = delete;
  TeamSize& operator=(const TeamSize&) = delete;

 private:
  [[maybe_unused]] int before_ = 1;
};

}  // namespace qeval
