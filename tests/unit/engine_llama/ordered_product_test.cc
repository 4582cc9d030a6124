// A product against the sum written out, and the order of its sums.
#include "qeval/engine/llama/ordered_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "matrix_support.h"

namespace qeval {
namespace {

TEST(OrderedProductTest, EqualsTheSumWrittenOut) {
  for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 97})
    for (const int64_t n : {16, 48, 64, 80, 384})
      for (const int64_t k : {1, 64, 130})
        for (const bool add : {false, true}) {
          const int64_t a_stride = k + 3, b_stride = n + 16, c_stride = n + 5;
          PyRandom random(static_cast<uint64_t>(m * n + k));
          const std::vector<float> a = draw(random, m * a_stride), b = draw(random, k * b_stride), before = draw(random, m * c_stride);
          std::vector<float> c = before;
          multiply({m, n, k, a_stride, b_stride, c_stride, add}, a.data(), b.data(), c.data());
          for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < c_stride; ++j) {
              const auto at = static_cast<size_t>(i * c_stride + j);
              double wanted = add || j >= n ? before[at] : 0;  // what lies between rows stays
              for (int64_t t = 0; t < k && j < n; ++t) wanted += double{a[static_cast<size_t>(i * a_stride + t)]} * b[static_cast<size_t>(t * b_stride + j)];
              ASSERT_NEAR(c[at], wanted, 1e-5) << m << " x " << n << " x " << k << ": " << i << ", " << j;
            }
        }
}

TEST(OrderedProductTest, AnElementDoesNotDependOnTheRest) {
  constexpr int64_t kM = 96, kN = 384, kK = 384;
  PyRandom random(3);
  const std::vector<float> a = draw(random, kM * kK), b = draw(random, kK * kN);
  std::vector<float> all(static_cast<size_t>(kM * kN));
  multiply({kM, kN, kK, kK, kN, kN}, a.data(), b.data(), all.data());
  for (const int64_t m : {1, 2, 3, 4, 5, 6, 50})
    for (const int64_t n : {16, 32, 64, 80}) {
      const int64_t row = (kM - m) / 2, column = 48;
      std::vector<float> c(static_cast<size_t>(m * n));
      for (const auto& [first, terms] : {std::pair<int64_t, int64_t>{0, 100}, {100, 284}})  // a sum may go on in a second call
        multiply({m, n, terms, kK, kN, n, first > 0}, a.data() + row * kK + first, b.data() + first * kN + column, c.data());
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          ASSERT_EQ(c[static_cast<size_t>(i * n + j)], all[static_cast<size_t>((row + i) * kN + column + j)]) << m << " x " << n << ": " << i << ", " << j;
    }
}

}  // namespace
}  // namespace qeval
