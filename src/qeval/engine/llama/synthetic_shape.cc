#include "qeval/engine/llama/synthetic_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qeval {
namespace {

int scaled(int value, double factor, int multiple) {
  const int units = static_cast<int>(std::lround(value * factor / multiple));
  return std::max(1, units) * multiple;
}

int largest_divisor(int n, int at_most) {
  int best = 1;
  for (int d = 1; d <= std::min(n, at_most); ++d)
    if (n % d == 0) best = d;
  return best;
}

// state bytes = layers · 4 · (V·128·128 + 3·(4096 + 128·V)), solved for V value heads (16 key heads of 128).
int value_heads(const ModelSpec& spec) {
  const int layers = spec.n_layers - spec.n_kv_layers;
  if (layers <= 0 || spec.state_mib_per_seq <= 0) return 32;
  const double floats = spec.state_mib_per_seq * 1048576 / 4 / layers;
  return scaled(static_cast<int>(std::lround((floats - 3 * 4096) / (128.0 * 128 + 3 * 128))), 1, 16);
}

std::string derived_architecture(const ModelSpec& spec) {
  const bool hybrid = spec.n_kv_layers > 0 && spec.n_kv_layers < spec.n_layers;
  if (hybrid) return spec.n_experts > 0 ? "" : "qwen35";
  if (spec.n_experts > 0) return "qwen3moe";
  return spec.family.rfind("qwen2", 0) == 0 ? "qwen2" : "qwen3";
}

}  // namespace

Result<SyntheticShape> shape_of(const SyntheticModelOptions& options) {
  const ModelSpec& spec = options.like;
  SyntheticShape out;
  out.architecture = options.architecture.empty() ? derived_architecture(spec) : options.architecture;
  if (out.architecture != "qwen2" && out.architecture != "qwen3" && out.architecture != "qwen3moe" && out.architecture != "qwen35")
    return bad_input(fmt::format("synthetic model: architecture '{}' cannot be made; known are qwen2, qwen3, qwen3moe, qwen35",
                                 out.architecture.empty() ? spec.id : out.architecture));
  if (spec.n_layers <= 0 || spec.d_model <= 0 || spec.n_heads <= 0 || spec.n_kv_heads <= 0 || spec.d_ff <= 0)
    return bad_input(fmt::format("synthetic model: the row '{}' lacks layers, width, heads or feed-forward size", spec.id));
  if (options.n_layers < 0 || options.d_model < 0 || options.d_model % 32 != 0 || options.d_model > 65536 || options.n_layers > 1024)
    return bad_input("synthetic model: the width must be a multiple of 32 up to 65536, layers at most 1024");
  out.n_layers = options.n_layers > 0 ? options.n_layers : spec.n_layers;
  out.d_model = options.d_model > 0 ? options.d_model : spec.d_model;
  const double factor = static_cast<double>(out.d_model) / spec.d_model;
  const int head_dim = spec.head_dim > 0 ? spec.head_dim : spec.d_model / spec.n_heads;
  out.head_dim = factor >= 0.5 ? head_dim : std::max(32, scaled(head_dim, 2 * factor, 32));
  out.n_heads = factor == 1 ? spec.n_heads : scaled(spec.n_heads, factor, 1);
  out.n_kv_heads = factor == 1 ? spec.n_kv_heads : largest_divisor(out.n_heads, scaled(spec.n_kv_heads, factor, 1));
  if (out.architecture == "qwen2" && out.n_heads * out.head_dim != out.d_model) {
    // Its heads fill the width exactly.
    out.n_heads = largest_divisor(std::max(1, out.d_model / 32), out.n_heads);
    out.n_kv_heads = largest_divisor(out.n_heads, out.n_kv_heads);
    out.head_dim = out.d_model / out.n_heads;
  }
  out.d_ff = factor == 1 ? spec.d_ff : scaled(spec.d_ff, factor, 32);
  out.n_experts = spec.n_experts;
  out.n_experts_used = spec.n_experts_used;
  if (out.architecture == "qwen3moe" && (out.n_experts <= 0 || out.n_experts_used <= 0 || out.n_experts_used > out.n_experts))
    return bad_input(fmt::format("synthetic model: the row '{}' names no experts", spec.id));
  out.context = options.context > 0 ? options.context : spec.context > 0 ? spec.context : 32768;
  out.vocab = factor == 1 ? spec.vocab : 0;
  out.tied = spec.tied_embeddings;
  if (out.hybrid()) {
    out.state_groups = factor == 1 ? 16 : scaled(16, factor, 1);
    out.state_heads = out.state_groups * std::max(1, value_heads(spec) / 16);
  }
  return out;
}

}  // namespace qeval
