#pragma once

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
  // Between two measured numbers of streams: on the line through both on logarithmic axes. Outside: the nearest. 0: none known.
  double at(double streams) const;
  double least() const;
  double most() const;

 private:
  std::vector<std::pair<double, double>> points_;
};

}  // namespace qeval
