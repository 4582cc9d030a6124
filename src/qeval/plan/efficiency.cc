#include "qeval/plan/efficiency.h"

#include <algorithm>

#include "qeval/stats/moments.h"

namespace qeval {
namespace {

constexpr double kSameStreams = 1.15;

}  // namespace

EfficiencyCurve::EfficiencyCurve(std::vector<std::pair<double, double>> measured) {
  std::sort(measured.begin(), measured.end());
  for (size_t from = 0, to = 0; from < measured.size(); from = to) {
    std::vector<double> streams, shares;
    for (; to < measured.size() && measured[to].first <= kSameStreams * measured[from].first; ++to) {
      streams.push_back(measured[to].first);
      shares.push_back(measured[to].second);
    }
    points_.emplace_back(median(streams), median(shares));
  }
}

double EfficiencyCurve::at(double streams, const std::function<double(double)>& roofline) const {
  if (points_.empty()) return 0;
  auto next = std::lower_bound(points_.begin(), points_.end(), std::pair{streams, 0.0});
  if (next == points_.begin()) return points_.front().second;
  if (next == points_.end()) return points_.back().second;
  const auto& [low, low_share] = *std::prev(next);
  const auto& [high, high_share] = *next;
  const double low_s = roofline(low) / low_share, high_s = roofline(high) / high_share;
  return roofline(streams) / (low_s + (high_s - low_s) * (streams - low) / (high - low));
}

double EfficiencyCurve::least() const {
  double out = points_.empty() ? 0 : points_.front().second;
  for (const auto& point : points_) out = std::min(out, point.second);
  return out;
}

double EfficiencyCurve::most() const {
  double out = 0;
  for (const auto& point : points_) out = std::max(out, point.second);
  return out;
}

}  // namespace qeval
