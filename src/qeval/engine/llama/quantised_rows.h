#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml.h"

namespace qeval {

inline constexpr int64_t kWeightsOfRun = 32;

// How a row of `k` weights of a quantised type becomes BF16, rounded to the nearest: runs of kWeightsOfRun, which begin `stride` bytes apart. With
// AVX-512 BF16, Q4_0, Q4_1, Q4_K and Q8_0 are read as such; all else as floats first, by ggml's function (Q6_K by a faster one of the same bits), which
// makes no difference to the result. Layouts of blocks: ggml-common.h.
using ToBf16 = void (*)(ggml_type type, const void* row, int64_t k, void* out, size_t stride);
// Null where ggml has none.
ToBf16 quantised_row_reader(ggml_type type);

}  // namespace qeval
