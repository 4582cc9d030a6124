#pragma once

#include <string>

#include "qeval/engine/llama/model_maker.h"

namespace qeval {

// Every number that the tensors of a synthetic model follow from.
struct SyntheticShape {
  std::string architecture;
  int n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0;
  int n_experts = 0, n_experts_used = 0;
  int context = 0, vocab = 0;
  bool tied = false;
  // qwen35: every fourth layer keeps KV, the others hold gated delta net state.
  int state_heads = 0, state_groups = 0, state_dim = 128, conv_kernel = 4;

  bool hybrid() const { return architecture == "qwen35"; }
  bool keeps_kv(int layer) const { return !hybrid() || (layer + 1) % 4 == 0; }
};

Result<SyntheticShape> shape_of(const SyntheticModelOptions& options);

}  // namespace qeval
