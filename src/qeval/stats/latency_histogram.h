#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace qeval {

// Durations counted in buckets 1 % wide, from a microsecond to a day: any number of them in constant memory, percentiles
// within 0.5 %. Not thread-safe.
class LatencyHistogram {
 public:
  void add(double seconds);  // negative and non-finite values are ignored
  void merge(const LatencyHistogram& other);
  int64_t n() const { return n_; }
  double sum_s() const { return sum_s_; }
  double max_s() const { return max_s_; }
  // share 0..1, nearest rank; no value while empty.
  std::optional<double> percentile(double share) const;

 private:
  std::vector<int64_t> buckets_;
  int64_t n_ = 0;
  double sum_s_ = 0, max_s_ = 0;
};

}  // namespace qeval
