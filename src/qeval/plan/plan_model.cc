#include "qeval/plan/plan_model.h"

#include <fmt/format.h>

#include <cmath>

namespace qeval {
namespace {

// Registry rows give the state as llama.cpp keeps it, in F32: V·128·128 + 3·(2·16·128 + 128·V) elements a layer.
constexpr double kHeadSquare = 128 * 128, kConvKey = 3 * 4096, kConvPerHead = 3 * 128;

void set_state(PlanModel& m, double state_bytes_f32) {
  double per_layer = state_bytes_f32 / 4 / m.n_linear_layers();
  double heads = std::round((per_layer - kConvKey) / (kHeadSquare + kConvPerHead));
  m.state_elements = heads * kHeadSquare;
  m.conv_elements = per_layer - m.state_elements;
}

// What a registry row and a config.json call alike.
template <typename Shape>
void copy_widths(const Shape& s, PlanModel& m) {
  m.d_model = s.d_model;
  m.n_heads = s.n_heads;
  m.n_kv_heads = s.n_kv_heads;
  m.head_dim = s.head_dim;
  m.d_ff = s.d_ff;
  m.vocab = s.vocab;
  m.context = s.context;
  m.tied_embeddings = s.tied_embeddings;
}

}  // namespace

Result<PlanModel> plan_model_from_spec(const ModelSpec& s) {
  PlanModel m;
  m.name = s.name.empty() ? s.id : s.name;
  m.architecture = s.family;
  m.params = s.params_b * 1e9;
  m.active_params = (s.active_params_b > 0 ? s.active_params_b : s.params_b) * 1e9;
  m.n_layers = s.n_layers;
  m.n_kv_layers = s.n_kv_layers > 0 ? s.n_kv_layers : s.n_layers;
  copy_widths(s, m);
  for (const auto& [key, value] : {std::pair{"params_b", m.params}, std::pair{"n_layers", double(m.n_layers)},
                                   std::pair{"d_model", double(m.d_model)}, std::pair{"n_heads", double(m.n_heads)},
                                   std::pair{"n_kv_heads", double(m.n_kv_heads)}, std::pair{"head_dim", double(m.head_dim)},
                                   std::pair{"vocab", double(m.vocab)}})
    if (value <= 0) return bad_input(fmt::format("{}: model {}: the key “{}” is missing, a plan needs it", s.file, s.id, key));
  m.state_is_half = s.id.find("next") != std::string::npos && s.family.find("3.8") == std::string::npos &&
                    s.id.rfind("qwen3.8", 0) != 0;
  if (m.hybrid()) {
    if (s.state_mib_per_seq <= 0)
      return bad_input(fmt::format("{}: model {}: a hybrid model's row needs state_mib_per_seq", s.file, s.id));
    set_state(m, s.state_mib_per_seq * 1048576);
  }
  if (s.n_experts > 0) {
    m.n_experts = s.n_experts;
    // Hybrid models count their shared expert among those used (8+1, 10+1).
    m.n_experts_routed = s.n_experts_used - (m.hybrid() ? 1 : 0);
    m.expert_params = 3.0 * s.d_model * s.d_ff;
  }
  return m;
}

PlanModel plan_model_from_shape(const ModelShape& s, const std::string& name) {
  PlanModel m;
  m.name = name;
  m.architecture = s.architecture;
  m.params = shape_params(s, false);
  m.active_params = shape_params(s, true);
  m.n_layers = s.n_layers;
  m.n_kv_layers = s.n_kv_layers;
  copy_widths(s, m);
  m.state_is_half = s.architecture == "qwen3_next";
  if (m.hybrid()) {
    double key = double(s.n_linear_key_heads) * s.linear_key_dim, value = double(s.n_linear_value_heads) * s.linear_value_dim;
    m.state_elements = value * s.linear_key_dim;
    m.conv_elements = std::max(s.conv_kernel - 1, 0) * (2 * key + value);
  }
  if (s.n_experts > 0) {
    m.n_experts = s.n_experts;
    m.n_experts_routed = s.n_experts_used - (s.d_shared_expert > 0 ? 1 : 0);
    m.expert_params = 3.0 * s.d_model * s.d_expert;
  }
  return m;
}

}  // namespace qeval
