#pragma once

#include <cstddef>
#include <cstdint>

namespace qeval {

// Products of a few rows with the cells of a cache, read where they lie: gathering them as floats takes longer than the matrix product
// that it would be for.

// Cells for one head, F16 or F32.
struct Cells {
  const char* first = nullptr;
  size_t stride = 0;  // bytes from a cell to the next
  int64_t n = 0;
  int64_t width = 0;  // a multiple of 16
  bool f16 = true;
};

// Whether this CPU has the instructions (AVX-512); nothing below may be called where not.
bool has_cell_products();

// out[r * out_stride + c] = row r of q · cell c; rows are `width` floats without gaps.
void score_cells(const Cells& cells, const float* q, int64_t n_rows, float* out, int64_t out_stride);

// row r of out += the sum over c of weights[r * weight_stride + c] * cell c.
void add_weighted_cells(const Cells& cells, const float* weights, int64_t weight_stride, int64_t n_rows, float* out);

}  // namespace qeval
