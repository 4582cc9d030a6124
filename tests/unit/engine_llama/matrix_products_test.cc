// Products by oneDNN against the sum written out.
#include "qeval/engine/llama/matrix_products.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "matrix_support.h"
#include "qeval/engine/llama/tile_product.h"

namespace qeval {
namespace {

void expect_product(const ProductShape& s, int n_threads) {
  SCOPED_TRACE(testing::Message() << (s.bf16 ? "BF16 " : "F32 ") << s.m << " x " << s.n << " x " << s.k << ", strides " << s.a_stride
                                  << " " << s.b_stride);
  PyRandom random(static_cast<uint64_t>(s.m * 7 + s.n));
  std::vector<float> a = eighths(random, s.m * s.a_stride), b = eighths(random, s.n * s.b_stride);
  std::vector<float> c(static_cast<size_t>(s.m * s.n), -77);
  std::vector<uint16_t> a16 = cut_to_bf16(a), b16 = cut_to_bf16(b);
  MatrixProducts& products = MatrixProducts::shared();
  const auto product = products.find(s);
  ASSERT_NE(product, nullptr);
  EXPECT_EQ(products.find(s), product) << "compiled twice";
  products.run(*product, s.bf16 ? static_cast<void*>(a16.data()) : a.data(), s.bf16 ? static_cast<void*>(b16.data()) : b.data(),
               c.data(), n_threads);
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      float wanted = 0;
      for (int64_t k = 0; k < s.k; ++k) wanted += a[static_cast<size_t>(i * s.a_stride + k)] * b[static_cast<size_t>(j * s.b_stride + k)];
      ASSERT_EQ(c[static_cast<size_t>(i * s.n + j)], wanted) << i << ", " << j;
    }
}

class MatrixProductsOf : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!MatrixProducts::shared().find({GetParam(), 64, 64, 64, 64, 64})) GTEST_SKIP() << "built without oneDNN, or no fast kernel on this CPU";
  }
};

TEST_P(MatrixProductsOf, EqualTheSumWrittenOut) {
  for (const int64_t m : {32, 33, 65, 200})
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{32, 32}, {192, 576}, {577, 96}, {64, 130}})
      expect_product({GetParam(), m, n, k, k, k}, 2);
}

TEST_P(MatrixProductsOf, ARowDoesNotDependOnHowManyThereAre) {
  if (GetParam() && has_tile_product()) GTEST_SKIP() << "with AMX, products are not oneDNN's: it cuts long sums by the number of rows";
  MatrixProducts& products = MatrixProducts::shared();
  constexpr int64_t kRows = 512;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{64, 64}, {192, 576}, {1536, 576}, {576, 768}, {576, 1536}}) {
    ProductShape shape{.bf16 = GetParam(), .m = kRows, .n = n, .k = k, .a_stride = k, .b_stride = k};
    PyRandom random(static_cast<uint64_t>(n));
    std::vector<float> a = draw(random, kRows * k), b = draw(random, n * k);
    std::vector<uint16_t> a16 = cut_to_bf16(a), b16 = cut_to_bf16(b);
    const auto product = [&](int64_t first, int64_t m) {
      shape.m = m;
      std::vector<float> c(static_cast<size_t>(m * n));
      void* from = GetParam() ? static_cast<void*>(a16.data() + first * k) : a.data() + first * k;
      products.run(*products.find(shape), from, GetParam() ? static_cast<void*>(b16.data()) : b.data(), c.data(), 2);
      return c;
    };
    const std::vector<float> all = product(0, kRows);
    for (const int64_t m : {1, 2, 5, 16, 31, 64, 100, 257, 511}) {
      const int64_t first = (kRows - m) / 2;
      EXPECT_EQ(product(first, m), std::vector<float>(all.begin() + first * n, all.begin() + (first + m) * n)) << m << " x " << n << " x " << k;
    }
  }
}

// BF16 never does: activations are rounded into a place without gaps.
TEST(MatrixProductsTest, RowsMayLieApart) {
  if (MatrixProducts::version().empty()) GTEST_SKIP() << "built without oneDNN";
  expect_product({false, 40, 64, 64, 192, 64 * 3}, 2);  // heads of one tensor
  expect_product({false, 40, 64, 96, 96, 256}, 1);      // a cache longer than what is read of it
}

TEST_P(MatrixProductsOf, AreFoundByManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int64_t m = 32; m < 64; ++m) expect_product({GetParam(), m, 64, 64, 64, 64}, 1);
    });
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Types, MatrixProductsOf, testing::Values(false, true),
                         [](const auto& one) { return one.param ? "BF16" : "F32"; });

}  // namespace
}  // namespace qeval
