#pragma once

#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// The numbers of a config.json that decide size, KV and state.
struct ModelShape {
  std::string architecture;  // qwen2, qwen3, qwen3_moe, qwen3_next, qwen3_5, qwen3_5_moe, llama
  int n_layers = 0, n_kv_layers = 0;
  int d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0, vocab = 0, context = 0;
  int n_experts = 0, n_experts_used = 0, d_expert = 0, d_shared_expert = 0;
  int n_linear_key_heads = 0, n_linear_value_heads = 0, linear_key_dim = 0, linear_value_dim = 0, conv_kernel = 0;
  bool tied_embeddings = false;
  bool gated_attention() const { return n_linear_value_heads > 0; }  // the hybrids' full attention has an output gate
};

// Error (bad_input): an architecture that is not known, a key that is missing or out of range.
Result<ModelShape> shape_from_config(const Json& config);

// Weights of the text model without its MTP head. `active`: those that one token passes.
double shape_params(const ModelShape& shape, bool active);
// Recurrent state of one sequence in llama.cpp, F32: per linear layer V·dk·dv, and the convolution's last inputs.
double shape_state_bytes(const ModelShape& shape);

}  // namespace qeval
