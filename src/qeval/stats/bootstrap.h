#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "qeval/stats/intervals.h"

namespace qeval {

struct BootstrapOptions {
  int iterations = 1000;  // of resampling; the standard error's own relative error is about 1/sqrt(2·iterations)
  uint64_t seed = 1234;   // the same seed gives the same result on every machine
  double confidence = 0.95;
};
struct BootstrapResult {
  double standard_error = 0;  // sample sd of the replicates; NaN where fewer than two are finite
  Interval interval;          // percentiles of the replicates
};

// Statistic of a resample, given as indices into the caller's items.
using ResampleStatistic = std::function<double(const std::vector<size_t>&)>;

// Resamples n items with replacement. Items must already be in an order that does not depend on timing.
// Source: Efron (1979), Annals of Statistics 7:1.
BootstrapResult bootstrap(size_t n, const ResampleStatistic& statistic, const BootstrapOptions& options = {});

// Resamples whole clusters: each replicate holds all items of as many drawn clusters as there are.
BootstrapResult cluster_bootstrap(const std::vector<int64_t>& clusters, const ResampleStatistic& statistic,
                                  const BootstrapOptions& options = {});

}  // namespace qeval
