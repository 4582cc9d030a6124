#pragma once

#include <cstdint>

namespace qeval {

// out[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)); `out` may be one of them. Relative error below 1e-6 where silu is a normal number.
void swiglu(const float* gate, const float* up, int64_t n, float* out);

}  // namespace qeval
