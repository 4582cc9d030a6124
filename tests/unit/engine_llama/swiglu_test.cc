#include "qeval/engine/llama/swiglu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace qeval {
namespace {

TEST(Swiglu, IsTheGateTimesItsSigmoidTimesWhatIsGated) {
  std::vector<float> gate, up;
  for (int i = -1000; i <= 1000; ++i) {
    gate.push_back(static_cast<float>(i) * 0.08f);
    up.push_back(static_cast<float>(i % 7) - 2.5f);
  }
  std::vector<float> out(gate.size());
  swiglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double wanted = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
    EXPECT_NEAR(out[i], wanted, 1e-6 * std::abs(wanted)) << gate[i];
  }
  swiglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), gate.data());
  EXPECT_EQ(gate, out);
}

TEST(Swiglu, WhatIsNotFiniteStaysSo) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gate{kNan, 1, kInf, 1e30f}, up{1, kNan, 1, 1};
  std::vector<float> out(gate.size());
  swiglu(gate.data(), up.data(), static_cast<int64_t>(gate.size()), out.data());
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_EQ(out[2], kInf);
  EXPECT_EQ(out[3], 1e30f);
}

}  // namespace
}  // namespace qeval
