#include "qeval/engine/llama/cell_products.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define QEVAL_AVX512 __attribute__((target("avx512f")))

namespace qeval {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kLine = 64;
constexpr size_t kAhead = 16;  // cells
constexpr int64_t kRows = 4;   // at once: with kColumns vectors of each, half of the registers
constexpr int64_t kColumns = 4;

// Heads lie beside each other in a cell: what comes next is too far away for the CPU to fetch by itself in time.
QEVAL_AVX512 inline void prefetch(const Cells& cells, const char* cell) {
  const int64_t n_bytes = cells.width * (cells.f16 ? 2 : 4);
  for (int64_t i = 0; i < n_bytes; i += kLine) _mm_prefetch(cell + kAhead * cells.stride + i, _MM_HINT_T0);
}

template <bool F16>
QEVAL_AVX512 inline __m512 load(const char* cell, int64_t vector) {
  if constexpr (F16)
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(cell) + vector));
  else
    return _mm512_loadu_ps(reinterpret_cast<const float*>(cell) + vector * kLanes);
}

template <bool F16, int R>
QEVAL_AVX512 void score(const Cells& cells, const float* q, float* out, int64_t out_stride) {
  const char* cell = cells.first;
  for (int64_t c = 0; c < cells.n; ++c, cell += cells.stride) {
    prefetch(cells, cell);
    __m512 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = _mm512_setzero_ps();
    for (int64_t i = 0; i < cells.width / kLanes; ++i) {
      const __m512 k = load<F16>(cell, i);
      for (int r = 0; r < R; ++r) sums[r] = _mm512_fmadd_ps(k, _mm512_loadu_ps(q + r * cells.width + i * kLanes), sums[r]);
    }
    for (int r = 0; r < R; ++r) out[r * out_stride + c] = _mm512_reduce_add_ps(sums[r]);
  }
}

// From column `column` on, C vectors of it.
template <bool F16, int R, int C>
QEVAL_AVX512 void add(const Cells& cells, int64_t column, const float* weights, int64_t weight_stride, float* out) {
  __m512 sums[R][C];
  for (int r = 0; r < R; ++r)
    for (int i = 0; i < C; ++i) sums[r][i] = _mm512_loadu_ps(out + r * cells.width + column + i * kLanes);
  const char* cell = cells.first;
  for (int64_t c = 0; c < cells.n; ++c, cell += cells.stride) {
    prefetch(cells, cell);
    for (int i = 0; i < C; ++i) {
      const __m512 v = load<F16>(cell, column / kLanes + i);
      for (int r = 0; r < R; ++r) sums[r][i] = _mm512_fmadd_ps(_mm512_set1_ps(weights[r * weight_stride + c]), v, sums[r][i]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int i = 0; i < C; ++i) _mm512_storeu_ps(out + r * cells.width + column + i * kLanes, sums[r][i]);
}

template <bool F16, int R>
void add_all_columns(const Cells& cells, const float* weights, int64_t weight_stride, float* out) {
  int64_t column = 0;
  for (; column + kColumns * kLanes <= cells.width; column += kColumns * kLanes) add<F16, R, kColumns>(cells, column, weights, weight_stride, out);
  for (; column < cells.width; column += kLanes) add<F16, R, 1>(cells, column, weights, weight_stride, out);
}

// f.template operator()<F16, R>(first row) for all rows, R of them at a time.
template <bool F16, class F>
void in_groups_of_rows(int64_t n_rows, const F& f) {
  int64_t row = 0;
  for (; row + kRows <= n_rows; row += kRows) f.template operator()<F16, kRows>(row);
  switch (n_rows - row) {
    case 3: return f.template operator()<F16, 3>(row);
    case 2: return f.template operator()<F16, 2>(row);
    case 1: return f.template operator()<F16, 1>(row);
  }
}

template <class F>
void in_groups_of_rows(bool f16, int64_t n_rows, const F& f) {
  f16 ? in_groups_of_rows<true>(n_rows, f) : in_groups_of_rows<false>(n_rows, f);
}

}  // namespace

bool has_cell_products() { return __builtin_cpu_supports("avx512f"); }

void score_cells(const Cells& cells, const float* q, int64_t n_rows, float* out, int64_t out_stride) {
  in_groups_of_rows(cells.f16, n_rows, [&]<bool F16, int R>(int64_t row) {
    score<F16, R>(cells, q + row * cells.width, out + row * out_stride, out_stride);
  });
}

void add_weighted_cells(const Cells& cells, const float* weights, int64_t weight_stride, int64_t n_rows, float* out) {
  in_groups_of_rows(cells.f16, n_rows, [&]<bool F16, int R>(int64_t row) {
    add_all_columns<F16, R>(cells, weights + row * weight_stride, weight_stride, out + row * cells.width);
  });
}

}  // namespace qeval

#else

namespace qeval {

bool has_cell_products() { return false; }
void score_cells(const Cells&, const float*, int64_t, float*, int64_t) {}
void add_weighted_cells(const Cells&, const float*, int64_t, int64_t, float*) {}

}  // namespace qeval

#endif
