#include "qeval/engine/llama/swiglu.h"

#include "qeval/engine/llama/vector_math.h"

namespace qeval {

QEVAL_VECTOR_CLONES void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float e = exp_negative(x < 0 ? x : -x);
    out[i] = x * up[i] * (x < 0 ? e : 1.0f) / (1.0f + e);
  }
}

}  // namespace qeval
