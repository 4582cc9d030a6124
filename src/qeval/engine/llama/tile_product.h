#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ggml.h"

namespace qeval {

// Matrix products in the tiles of AMX, 16 x 16 sums at a time: C[m, n] = A[m, k] * B[n, k]^T. Sums are F32 and run in one order for each element,
// however many rows and threads there are. With floats on both sides each is taken as the sum of three BF16, which hold its 24 bits, and
// the six largest of the nine products are added up: no further from the exact sum than a sum of floats is (2^-24 of a term is left out).
// Floats that are not finite give NaN.
// Instructions: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, TDPBF16PS.

// Whether this CPU has them and the system lets this process use them.
bool has_tile_product();

enum class TilePrecision { bf16, f32 };  // f32: for floats on both sides

// B. Rows of `k` values, `stride` bytes apart.
struct TileWeights {
  const void* rows = nullptr;
  size_t stride = 0;
  int64_t n = 0, k = 0;
  ggml_type type = GGML_TYPE_F32;  // or BF16, or one that quantised_row_reader() reads
};

// Not thread-safe; each product runs in a team of its own.
class TileProduct {
 public:
  TileProduct();
  ~TileProduct();
  // A, kept until the next call: rows of floats, `stride` of them apart.
  void set_rows(const float* rows, int64_t m, int64_t k, int64_t stride, TilePrecision precision, int n_threads);
  // With the rows that were set; `k` has to agree. C's rows lie `c_stride` floats apart.
  void multiply(const TileWeights& weights, float* c, int64_t c_stride, int n_threads);
  // swiglu() of two such products, which are not written out themselves; the weights have one shape and type.
  void multiply_gated(const TileWeights& gate, const TileWeights& up, float* c, int64_t c_stride, int n_threads);
  // The same as the rows that are set next, as if set_rows() had been given it. For weights that can_chain().
  void set_rows_gated(const TileWeights& gate, const TileWeights& up, int n_threads);
  static bool can_chain(const TileWeights& weights) { return weights.n % 32 == 0; }

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace qeval
