#include "qeval/stats/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace qeval {
namespace {

constexpr double kLeast = 1e-6, kGrowth = 1.01;
const double kLogGrowth = std::log(kGrowth);
constexpr size_t kBuckets = 2560;  // kLeast · kGrowth^2560 is more than a day

}  // namespace

void LatencyHistogram::add(double seconds) {
  if (!(seconds >= 0) || !std::isfinite(seconds)) return;
  if (buckets_.empty()) buckets_.assign(kBuckets, 0);
  const double at = seconds <= kLeast ? 0 : std::log(seconds / kLeast) / kLogGrowth;
  ++buckets_[std::min(kBuckets - 1, static_cast<size_t>(at))];
  ++n_;
  sum_s_ += seconds;
  max_s_ = std::max(max_s_, seconds);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  if (other.n_ == 0) return;
  if (buckets_.empty()) buckets_.assign(kBuckets, 0);
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  n_ += other.n_;
  sum_s_ += other.sum_s_;
  max_s_ = std::max(max_s_, other.max_s_);
}

std::optional<double> LatencyHistogram::percentile(double share) const {
  if (n_ == 0) return std::nullopt;
  const int64_t rank = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(share * static_cast<double>(n_))), 1, n_);
  int64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(max_s_, kLeast * std::pow(kGrowth, static_cast<double>(i) + 0.5));
  }
  return max_s_;
}

}  // namespace qeval
