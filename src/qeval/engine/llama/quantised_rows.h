#pragma once

#include <cstdint>

#include "ggml.h"

namespace qeval {

// How a row of `k` weights of a quantised type becomes floats: ggml's function, or for Q4_0 and Q6_K, whose loops g++ does not vectorise, one
// that is five times as fast and has the same bits. Null where ggml has none. Layouts of blocks: ggml-common.h.
using ToFloats = void (*)(const void* row, float* out, int64_t k);
ToFloats quantised_row_reader(ggml_type type);

}  // namespace qeval
