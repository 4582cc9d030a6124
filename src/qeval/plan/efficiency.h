#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace qeval {

// The share of the roofline that answers reached, by how many sequences were decoded together: few of them wait for memory,
// many for arithmetic, and an engine is not equally good at both.
class EfficiencyCurve {
 public:
  EfficiencyCurve() = default;
  // (streams, share) pairs in any order; those at nearly the same number of streams count as one, by their median.
  explicit EfficiencyCurve(std::vector<std::pair<double, double>> measured);
  bool known() const { return !points_.empty(); }
  // `roofline`: seconds of one decode step at a number of streams. Between two measured numbers the step's expected seconds lie on
  // the straight line through theirs; outside, the nearest share holds. 0: none known.
  double at(double streams, const std::function<double(double)>& roofline) const;
  double least() const;
  double most() const;

 private:
  std::vector<std::pair<double, double>> points_;
};

}  // namespace qeval
