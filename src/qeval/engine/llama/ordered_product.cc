#include "qeval/engine/llama/ordered_product.h"

#include "qeval/engine/llama/vector_math.h"

namespace qeval {
namespace {

#define QEVAL_INLINE inline __attribute__((always_inline))

// R rows of C and as many columns as N vectors hold: sums stay in registers.
template <int R, int N>
QEVAL_INLINE void tile(const OrderedProduct& p, const float* a, const float* b, float* c) {
  Floats sums[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i)
      sums[r][i] = p.add ? floats_at(c + r * p.c_stride + i * kFloats) : Floats{};
  for (int64_t k = 0; k < p.k; ++k, b += p.b_stride) {
    Floats columns[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) columns[i] = floats_at(b + i * kFloats);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float one = a[r * p.a_stride + k];
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) sums[r][i] += one * columns[i];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) floats_at(c + r * p.c_stride + i * kFloats) = sums[r][i];
}

template <int R, int N>
QEVAL_INLINE void rows(const OrderedProduct& p, const float* a, const float* b, float* c) {
  int64_t column = 0;
  for (; column + N * kFloats <= p.n; column += N * kFloats) tile<R, N>(p, a, b + column, c + column);
  for (; column < p.n; column += kFloats) tile<R, 1>(p, a, b + column, c + column);
}

template <int N>
QEVAL_INLINE void all(const OrderedProduct& p, const float* a, const float* b, float* c) {
  constexpr int kRows = 6;
  int64_t row = 0;
  for (; row + kRows <= p.m; row += kRows) rows<kRows, N>(p, a + row * p.a_stride, b, c + row * p.c_stride);
  a += row * p.a_stride;
  c += row * p.c_stride;
  switch (p.m - row) {
    case 5: return rows<5, N>(p, a, b, c);
    case 4: return rows<4, N>(p, a, b, c);
    case 3: return rows<3, N>(p, a, b, c);
    case 2: return rows<2, N>(p, a, b, c);
    case 1: return rows<1, N>(p, a, b, c);
  }
}

#if defined(__x86_64__)

// As many sums as there are registers for: 6 rows of 4 vectors in 32 of 512 bits, of one (two halves) in 16 of 256.
__attribute__((target("avx512f"))) void with_avx512(const OrderedProduct& p, const float* a, const float* b, float* c) { all<4>(p, a, b, c); }
__attribute__((target("avx2,fma"))) void with_avx2(const OrderedProduct& p, const float* a, const float* b, float* c) { all<1>(p, a, b, c); }

bool has_avx512() { return __builtin_cpu_supports("avx512f"); }
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

#else

void with_avx512(const OrderedProduct&, const float*, const float*, float*) {}
void with_avx2(const OrderedProduct&, const float*, const float*, float*) {}
bool has_avx512() { return false; }
bool has_avx2() { return false; }

#endif

void with_any(const OrderedProduct& p, const float* a, const float* b, float* c) { all<1>(p, a, b, c); }

}  // namespace

bool has_fast_ordered_product() {
  static const bool has = has_avx512() || has_avx2();
  return has;
}

void multiply(const OrderedProduct& product, const float* a, const float* b, float* c) {
  static const auto chosen = has_avx512() ? with_avx512 : has_avx2() ? with_avx2 : with_any;
  chosen(product, a, b, c);
}

}  // namespace qeval
