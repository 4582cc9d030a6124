#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "qeval/core/model_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// A model of the right shape with random weights: it says nothing, but it loads, decodes and costs what a real one of
// this shape does. For tests, memory and speed.
struct SyntheticModelOptions {
  ModelSpec like;              // layers, width, heads, experts, vocabulary, context
  std::string architecture;    // qwen2, qwen3, qwen3moe, qwen35; "" = from `like` (experts, layers without KV, family)
  int n_layers = 0;            // 0: as `like`
  int d_model = 0;             // 0: as `like`; else heads, head size and feed-forward shrink in proportion
  int context = 0;             // 0: as `like`
  std::string vocab_gguf;      // tokenizer copied from this file; "" = a byte-level one of about 300 tokens
  std::string type = "F32";    // F32, F16, BF16, or any that requantise_gguf takes
  uint64_t seed = 1;           // same options, same bytes
  std::function<bool(float)> progress;  // 0..1; false aborts
};
// Writes `path` all or nothing. Error (bad_input): a shape or architecture that cannot be made; (environment): disk.
Status make_synthetic_gguf(const SyntheticModelOptions& options, const std::string& path);

// Writes `in` again with weights as F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_1, Q4_0 …, also from quantised
// weights. All or nothing.
Status requantise_gguf(const std::string& in, const std::string& out, const std::string& type);

}  // namespace qeval
