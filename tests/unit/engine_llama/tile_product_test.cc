// Products in tiles against the sum written out, and the order of their sums.
#include "qeval/engine/llama/tile_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "matrix_support.h"

namespace qeval {
namespace {

// A quantised row for the tests: eighths as signed bytes.
void from_bytes(const void* row, float* out, int64_t k) {
  for (int64_t i = 0; i < k; ++i) out[i] = static_cast<float>(static_cast<const int8_t*>(row)[i]) / 8;
}

enum class Kind { bf16, floats, floats_as_bf16, bytes };

class TileProductOf : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!has_tile_product()) GTEST_SKIP() << "this CPU has no tiles for BF16";
  }
};

TEST_P(TileProductOf, EqualsTheSumWrittenOut) {
  for (const int64_t m : {1, 16, 17, 33, 100, 400})
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{32, 32}, {192, 576}, {577, 96}, {48, 130}, {100, 70}}) {
      SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
      PyRandom random(static_cast<uint64_t>(m * 7 + n));
      const int64_t a_stride = k + 5, b_stride = k + 6, c_stride = n + 3;
      const std::vector<float> a = eighths(random, m * a_stride), b = eighths(random, n * b_stride);
      const std::vector<uint16_t> b16 = cut_to_bf16(b);
      std::vector<int8_t> bytes;
      for (float value : b) bytes.push_back(static_cast<int8_t>(value * 8));
      TileWeights weights;
      weights.n = n;
      weights.k = k;
      switch (GetParam()) {
        case Kind::bf16: weights.rows = b16.data(), weights.stride = static_cast<size_t>(b_stride) * 2, weights.bf16 = true; break;
        case Kind::bytes: weights.rows = bytes.data(), weights.stride = static_cast<size_t>(b_stride), weights.to_floats = from_bytes; break;
        default: weights.rows = b.data(), weights.stride = static_cast<size_t>(b_stride) * 4;
      }
      constexpr int64_t kBehind = 40;  // rows that belong to somebody else
      std::vector<float> c(static_cast<size_t>((m + kBehind) * c_stride), -77);
      TileProduct product;
      product.set_rows(a.data(), m, k, a_stride, GetParam() == Kind::floats ? TilePrecision::f32 : TilePrecision::bf16, 2);
      product.multiply(weights, c.data(), c_stride, 2);
      for (int64_t i = 0; i < m + kBehind; ++i)
        for (int64_t j = 0; j < c_stride; ++j) {
          const bool inside = i < m && j < n;
          float wanted = inside ? 0.0f : -77.0f;  // what lies between rows stays
          for (int64_t t = 0; t < k && inside; ++t) wanted += a[static_cast<size_t>(i * a_stride + t)] * b[static_cast<size_t>(j * b_stride + t)];
          ASSERT_EQ(c[static_cast<size_t>(i * c_stride + j)], wanted) << i << ", " << j;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Weights, TileProductOf, testing::Values(Kind::bf16, Kind::floats, Kind::floats_as_bf16, Kind::bytes));

class TileProductIn : public testing::TestWithParam<TilePrecision> {
 protected:
  void SetUp() override {
    if (!has_tile_product()) GTEST_SKIP() << "this CPU has no tiles for BF16";
  }
};

TEST_P(TileProductIn, ARowDoesNotDependOnTheOthersNorOnThreads) {
  constexpr int64_t kRows = 512;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{64, 64}, {200, 576}, {96, 3072}}) {
    PyRandom random(static_cast<uint64_t>(n));
    const std::vector<float> a = draw(random, kRows * k), b = draw(random, n * k);
    const std::vector<uint16_t> b16 = cut_to_bf16(b);
    const bool bf16 = GetParam() == TilePrecision::bf16;
    const TileWeights weights{bf16 ? static_cast<const void*>(b16.data()) : b.data(), static_cast<size_t>(k) * (bf16 ? 2 : 4), n, k, bf16, nullptr};
    const auto product = [&](int64_t first, int64_t m, int n_threads) {
      std::vector<float> c(static_cast<size_t>(m * n));
      TileProduct one;
      one.set_rows(a.data() + first * k, m, k, k, GetParam(), n_threads);
      one.multiply(weights, c.data(), n, n_threads);
      return c;
    };
    const std::vector<float> all = product(0, kRows, 2);
    for (const int64_t m : {1, 2, 16, 31, 64, 100, 383, 511}) {
      const int64_t first = (kRows - m) / 2;
      EXPECT_EQ(product(first, m, m % 5 + 1), std::vector<float>(all.begin() + first * n, all.begin() + (first + m) * n)) << m << " x " << n << " x " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, TileProductIn, testing::Values(TilePrecision::bf16, TilePrecision::f32),
                         [](const auto& one) { return one.param == TilePrecision::bf16 ? "BF16" : "F32"; });

// As near to the exact sum as a sum of floats is, where terms differ by many powers of two; BF16 is a thousand times further away.
TEST(TileProductTest, FloatsKeepTheirBits) {
  if (!has_tile_product()) GTEST_SKIP() << "this CPU has no tiles for BF16";
  constexpr int64_t kM = 40, kN = 48, kK = 576;
  PyRandom random(5);
  std::vector<float> a = draw(random, kM * kK), b = draw(random, kN * kK);
  for (std::vector<float>* values : {&a, &b})
    for (float& value : *values) value = std::ldexp(value, static_cast<int>(random.random() * 12) - 6);
  std::vector<float> c(static_cast<size_t>(kM * kN));
  TileProduct product;
  product.set_rows(a.data(), kM, kK, kK, TilePrecision::f32, 1);
  product.multiply({b.data(), kK * 4, kN, kK, false, nullptr}, c.data(), kN, 1);
  double in_tiles = 0, in_floats = 0;
  for (int64_t i = 0; i < kM; ++i)
    for (int64_t j = 0; j < kN; ++j) {
      double exact = 0, length = 0;
      float floats = 0;
      for (int64_t t = 0; t < kK; ++t) {
        const float x = a[static_cast<size_t>(i * kK + t)], y = b[static_cast<size_t>(j * kK + t)];
        exact += double{x} * y;
        length += double{x} * y * x * y;
        floats += x * y;
      }
      in_tiles = std::max(in_tiles, std::abs(c[static_cast<size_t>(i * kN + j)] - exact) / std::sqrt(length));
      in_floats = std::max(in_floats, std::abs(floats - exact) / std::sqrt(length));
    }
  EXPECT_LE(in_tiles, 1.5 * in_floats);
  EXPECT_GT(in_floats, 0);
}

}  // namespace
}  // namespace qeval
