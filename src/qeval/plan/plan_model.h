#pragma once

#include <string>

#include "qeval/core/model_spec.h"
#include "qeval/registry/model_shape.h"
#include "qeval/util/result.h"

namespace qeval {

// What size and speed of a model follow from. Counts of weights, not bytes.
struct PlanModel {
  std::string name, architecture;
  double params = 0;         // text model, without an MTP head
  double active_params = 0;  // those that one token passes; = params where there are no experts
  int n_layers = 0, n_kv_layers = 0;
  int d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0, vocab = 0, context = 0;
  bool tied_embeddings = false;
  int n_experts = 0, n_experts_routed = 0;  // per layer; of them, chosen per token
  double expert_params = 0;                 // one routed expert of one layer
  // Recurrent layers (hybrid models), elements per layer and sequence: the state and the convolution's last inputs.
  double state_elements = 0, conv_elements = 0;
  bool state_is_half = false;  // kept in 16 bits by vLLM (Qwen3-Next); 32 elsewhere
  // As on disk, where the weights are known; 0: follows from `params` and the quantisation.
  double weight_bytes = 0;
  double embedding_bytes = 0;  // of weight_bytes, the table that a step does not read (untied)

  int n_linear_layers() const { return n_layers - n_kv_layers; }
  double embedding_params() const { return static_cast<double>(vocab) * d_model; }
  // Weights that a matrix product touches for one token: all but the input table, which is looked up.
  double matmul_params() const { return active_params - (tied_embeddings ? 0 : embedding_params()); }
  bool hybrid() const { return n_kv_layers < n_layers; }
};

// Error (bad_input): the row or configuration lacks what a plan needs; names it.
Result<PlanModel> plan_model_from_spec(const ModelSpec& spec);
PlanModel plan_model_from_shape(const ModelShape& shape, const std::string& name);

}  // namespace qeval
