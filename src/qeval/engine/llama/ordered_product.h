#pragma once

#include <cstdint>

namespace qeval {

// C[m, n] = A[m, k] * B[k, n], or C += that; F32, n a multiple of 16, strides of rows in floats. The sum of an element runs over k from the
// first to the last, whatever m and n are, so that what else is computed moves no bit of it. BLAS products choose their order by shape.
struct OrderedProduct {
  int64_t m = 0, n = 0, k = 0;
  int64_t a_stride = 0, b_stride = 0, c_stride = 0;
  bool add = false;
};

void multiply(const OrderedProduct& product, const float* a, const float* b, float* c);

// Whether this CPU has the instructions that make it fast (AVX-512, or AVX2 with FMA).
bool has_fast_ordered_product();

}  // namespace qeval
