#include "qeval/engine/llama/log_softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "qeval/util/random.h"

namespace qeval {
namespace {

TEST(LogSoftmax, AgreesWithDoubleArithmetic) {
  PyRandom random(3);
  for (size_t n : {1, 2, 15, 16, 17, 4095, 4096, 4097, 151936}) {
    for (double spread : {0.0, 1.0, 30.0, 300.0}) {
      std::vector<float> logits(n);
      for (float& x : logits) x = static_cast<float>((random.random() - 0.5) * spread);
      double max = -INFINITY, sum = 0;
      for (float x : logits) max = std::max(max, static_cast<double>(x));
      for (float x : logits) sum += std::exp(static_cast<double>(x) - max);
      const RowSummary row = summarize_row(logits.data(), n);
      EXPECT_NEAR(row.log_sum_exp, max + std::log(sum), 1e-6 * std::max(1.0, std::abs(max))) << n << " " << spread;
      EXPECT_EQ(logits[static_cast<size_t>(row.argmax)], static_cast<float>(max));
      EXPECT_EQ(row.argmax, argmax_row(logits.data(), n));
    }
  }
}

TEST(LogSoftmax, FirstOfEqualMaximaAndMaskedEntries) {
  std::vector<float> logits(40, -INFINITY);
  logits[7] = logits[30] = 2;
  const RowSummary row = summarize_row(logits.data(), logits.size());
  EXPECT_EQ(row.argmax, 7);
  EXPECT_NEAR(row.log_sum_exp, 2 + std::log(2.0), 1e-6);
}

}  // namespace
}  // namespace qeval
