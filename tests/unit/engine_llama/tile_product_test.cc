// Products in tiles against the sum written out, and the order of their sums.
#include "qeval/engine/llama/tile_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "matrix_support.h"
#include "qeval/engine/llama/swiglu.h"

namespace qeval {
namespace {

enum class Kind { bf16, floats, floats_as_bf16, q8_0 };

// Weights and the values that they hold, in rows of `stride` values.
struct Weights {
  Weights(Kind kind, std::vector<float> numbers, int64_t n, int64_t k, int64_t stride) : values(std::move(numbers)) {
    tiles.n = n;
    tiles.k = k;
    tiles.stride = static_cast<size_t>(stride) * 4;
    tiles.rows = values.data();
    if (kind == Kind::bf16) {
      bf16 = cut_to_bf16(values);
      tiles.rows = bf16.data();
      tiles.stride = static_cast<size_t>(stride) * 2;
      tiles.type = GGML_TYPE_BF16;
    } else if (kind == Kind::q8_0) {
      tiles.stride = ggml_row_size(GGML_TYPE_Q8_0, k) + 10;
      bytes.resize(static_cast<size_t>(n) * tiles.stride);
      for (int64_t i = 0; i < n; ++i) {
        uint8_t* block = bytes.data() + static_cast<size_t>(i) * tiles.stride;
        for (int64_t at = 0; at < k; at += 32, block += 34) {
          const ggml_fp16_t eighth = ggml_fp32_to_fp16(0.125f);
          std::memcpy(block, &eighth, sizeof eighth);
          for (int64_t j = 0; j < 32; ++j) block[2 + j] = static_cast<uint8_t>(static_cast<int8_t>(values[static_cast<size_t>(i * stride + at + j)] * 8));
        }
      }
      tiles.rows = bytes.data();
      tiles.type = GGML_TYPE_Q8_0;
    }
  }
  std::vector<float> values;
  std::vector<uint16_t> bf16;
  std::vector<uint8_t> bytes;
  TileWeights tiles;
};

TilePrecision precision_of(Kind kind) { return kind == Kind::floats ? TilePrecision::f32 : TilePrecision::bf16; }

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
      if (GetParam() == Kind::q8_0 && k % 32 != 0) continue;
      const std::vector<float> a = eighths(random, m * a_stride);
      const Weights b(GetParam(), eighths(random, n * b_stride), n, k, b_stride);
      constexpr int64_t kBehind = 40;  // rows that belong to somebody else
      std::vector<float> c(static_cast<size_t>((m + kBehind) * c_stride), -77);
      TileProduct product;
      product.set_rows(a.data(), m, k, a_stride, precision_of(GetParam()), 2);
      product.multiply(b.tiles, c.data(), c_stride, 2);
      for (int64_t i = 0; i < m + kBehind; ++i)
        for (int64_t j = 0; j < c_stride; ++j) {
          const bool inside = i < m && j < n;
          float wanted = inside ? 0.0f : -77.0f;  // what lies between rows stays
          for (int64_t t = 0; t < k && inside; ++t) wanted += a[static_cast<size_t>(i * a_stride + t)] * b.values[static_cast<size_t>(j * b_stride + t)];
          ASSERT_EQ(c[static_cast<size_t>(i * c_stride + j)], wanted) << i << ", " << j;
        }
    }
}

TEST_P(TileProductOf, GatedIsSwigluOfTheTwo) {
  for (const int64_t m : {1, 17, 100, 400})
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{32, 32}, {192, 576}, {41, 96}}) {
      SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
      PyRandom random(static_cast<uint64_t>(m * 5 + n));
      const int64_t c_stride = n + 3;
      const std::vector<float> a = draw(random, m * k);
      const Weights gate(GetParam(), eighths(random, n * k), n, k, k), up(GetParam(), eighths(random, n * k), n, k, k);
      std::vector<float> gates(static_cast<size_t>(m * c_stride), -77), wanted = gates, found = gates;
      TileProduct product;
      product.set_rows(a.data(), m, k, k, precision_of(GetParam()), 2);
      product.multiply(gate.tiles, gates.data(), c_stride, 2);
      product.multiply(up.tiles, wanted.data(), c_stride, 2);
      for (int64_t i = 0; i < m; ++i) swiglu(&gates[static_cast<size_t>(i * c_stride)], &wanted[static_cast<size_t>(i * c_stride)], n, &wanted[static_cast<size_t>(i * c_stride)]);
      product.multiply_gated(gate.tiles, up.tiles, found.data(), c_stride, 2);
      EXPECT_EQ(found, wanted);
      EXPECT_EQ(TileProduct::can_chain(gate.tiles), n % 32 == 0);
      if (n % 32 != 0) continue;
      const Weights down(GetParam(), eighths(random, 40 * n), 40, n, n);
      std::vector<float> chained(static_cast<size_t>(m * 40)), apart = chained;
      product.set_rows_gated(gate.tiles, up.tiles, 2);
      product.multiply(down.tiles, chained.data(), 40, 2);
      product.set_rows(wanted.data(), m, n, c_stride, precision_of(GetParam()), 2);
      product.multiply(down.tiles, apart.data(), 40, 2);
      EXPECT_EQ(chained, apart);
    }
}

// They are written past the caches.
TEST_P(TileProductOf, ManyColumnsAreThoseOfFewer) {
  constexpr int64_t kM = 70, kN = 64 * 1024 + 16, kK = 32, kPart = 1024;
  PyRandom random(3);
  const std::vector<float> a = draw(random, kM * kK);
  const Weights b(GetParam(), eighths(random, kN * kK), kN, kK, kK);
  struct alignas(64) Line {
    float floats[16];
  };
  std::vector<Line> c(static_cast<size_t>(kM * kN / 16 + 1));
  for (const int64_t first : {0, 1}) {  // lines of the cache begin elsewhere
    TileProduct product;
    product.set_rows(a.data(), kM, kK, kK, precision_of(GetParam()), 2);
    float* found = c[0].floats + first;
    product.multiply(b.tiles, found, kN, 2);
    std::vector<float> part(static_cast<size_t>(kM * kPart));
    for (int64_t column = 0; column < kN; column += kPart) {
      TileWeights some = b.tiles;
      some.rows = static_cast<const char*>(some.rows) + static_cast<size_t>(column) * some.stride;
      some.n = std::min(kPart, kN - column);
      product.multiply(some, part.data(), kPart, 2);
      for (int64_t i = 0; i < kM; ++i)
        ASSERT_EQ(std::memcmp(found + i * kN + column, &part[static_cast<size_t>(i * kPart)], static_cast<size_t>(some.n) * 4), 0) << i << ", " << column;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, TileProductOf, testing::Values(Kind::bf16, Kind::floats, Kind::floats_as_bf16, Kind::q8_0));

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
    const TileWeights weights{bf16 ? static_cast<const void*>(b16.data()) : b.data(), static_cast<size_t>(k) * (bf16 ? 2 : 4), n, k,
                              bf16 ? GGML_TYPE_BF16 : GGML_TYPE_F32};
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
  product.multiply({b.data(), kK * 4, kN, kK, GGML_TYPE_F32}, c.data(), kN, 1);
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
