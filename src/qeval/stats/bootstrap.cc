#include "qeval/stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/stats/moments.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

// Linear interpolation between order statistics (type 7, the default of R and NumPy).
double percentile(const std::vector<double>& sorted, double p) {
  double at = p * static_cast<double>(sorted.size() - 1);
  size_t below = static_cast<size_t>(at);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

BootstrapResult summary(std::vector<double> replicates, double confidence) {
  std::erase_if(replicates, [](double v) { return !std::isfinite(v); });
  if (replicates.size() < 2) return {kNaN, {kNaN, kNaN}};
  std::sort(replicates.begin(), replicates.end());
  double tail = (1 - confidence) / 2;
  return {sample_sd(replicates), {percentile(replicates, tail), percentile(replicates, 1 - tail)}};
}

}  // namespace

BootstrapResult bootstrap(size_t n, const ResampleStatistic& statistic, const BootstrapOptions& options) {
  if (n == 0 || options.iterations < 2) return {kNaN, {kNaN, kNaN}};
  PyRandom random(options.seed);
  std::vector<size_t> indices(n);
  std::vector<double> replicates;
  for (int i = 0; i < options.iterations; ++i) {
    for (size_t& index : indices)
      index = std::min(n - 1, static_cast<size_t>(random.random() * static_cast<double>(n)));
    replicates.push_back(statistic(indices));
  }
  return summary(std::move(replicates), options.confidence);
}

BootstrapResult cluster_bootstrap(const std::vector<int64_t>& clusters, const ResampleStatistic& statistic,
                                  const BootstrapOptions& options) {
  std::map<int64_t, std::vector<size_t>> members;
  for (size_t i = 0; i < clusters.size(); ++i) members[clusters[i]].push_back(i);
  std::vector<std::vector<size_t>> groups;
  for (auto& [cluster, indices] : members) groups.push_back(std::move(indices));
  auto of_groups = [&](const std::vector<size_t>& drawn) {
    std::vector<size_t> items;
    for (size_t group : drawn) items.insert(items.end(), groups[group].begin(), groups[group].end());
    return statistic(items);
  };
  return bootstrap(groups.size(), of_groups, options);
}

}  // namespace qeval
