#include "qeval/registry/model_shape.h"

#include <fmt/format.h>

namespace qeval {
namespace {

constexpr int64_t kMaxValue = 1 << 28;

class ConfigReader {
 public:
  explicit ConfigReader(const Json& config) : config_(config) {}
  // 0 and an error where the key is missing and has no `fallback` (-1 = none), or is out of range.
  int number(const char* key, int64_t fallback = -1) {
    auto it = config_.find(key);
    if (it == config_.end() || it->is_null()) {
      if (fallback < 0) complain(fmt::format("config.json: key \"{}\" is missing", key));
      return static_cast<int>(std::max<int64_t>(fallback, 0));
    }
    if (!it->is_number_integer() || it->get<int64_t>() < 0 || it->get<int64_t>() > kMaxValue) {
      complain(fmt::format("config.json: key \"{}\": a whole number from 0 to {} was expected, found {}", key,
                           kMaxValue, dump_json(*it).substr(0, 60)));
      return 0;
    }
    return static_cast<int>(it->get<int64_t>());
  }
  void complain(std::string message) {
    if (error_.empty()) error_ = std::move(message);
  }
  Status status() const { return error_.empty() ? Status() : bad_input(error_); }

 private:
  const Json& config_;
  std::string error_;
};

std::string architecture_of(const Json& config) {
  std::string type = json_string(config, "model_type");
  if (type.ends_with("_text")) type.resize(type.size() - 5);
  for (const char* known : {"qwen2", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe", "llama"})
    if (type == known) return type;
  return "";
}

// Every layer keeps KV, unless the configuration lists their kinds or an interval.
int count_kv_layers(const Json& config, const ModelShape& shape, ConfigReader& reader) {
  if (auto it = config.find("layer_types"); it != config.end() && it->is_array()) {
    if (it->size() != static_cast<size_t>(shape.n_layers))
      reader.complain("config.json: layer_types has another length than num_hidden_layers says");
    int n = 0;
    for (const Json& kind : *it) n += !(kind.is_string() && kind.get<std::string>() == "linear_attention");
    return n;
  }
  int interval = reader.number("full_attention_interval", 4);
  if (interval < 1) reader.complain("config.json: full_attention_interval must be positive");
  return interval < 1 ? 0 : shape.n_layers / interval;
}

void read_linear(const Json& config, ModelShape& shape, ConfigReader& reader) {
  shape.n_linear_key_heads = reader.number("linear_num_key_heads");
  shape.n_linear_value_heads = reader.number("linear_num_value_heads");
  shape.linear_key_dim = reader.number("linear_key_head_dim", 128);
  shape.linear_value_dim = reader.number("linear_value_head_dim", 128);
  shape.conv_kernel = reader.number("linear_conv_kernel_dim", 4);
  shape.n_kv_layers = count_kv_layers(config, shape, reader);
}

void read_experts(ModelShape& shape, ConfigReader& reader) {
  shape.n_experts = reader.number("num_experts");
  int routed = reader.number("num_experts_per_tok");
  shape.d_expert = reader.number("moe_intermediate_size");
  shape.d_shared_expert = reader.number("shared_expert_intermediate_size", 0);
  shape.n_experts_used = routed + (shape.d_shared_expert > 0 ? 1 : 0);
  shape.d_ff = shape.d_expert;
}

double attention_params(const ModelShape& s) {
  double d = s.d_model, q = static_cast<double>(s.n_heads) * s.head_dim,
         kv = static_cast<double>(s.n_kv_heads) * s.head_dim;
  double out = d * q * (s.gated_attention() ? 2 : 1) + 2 * d * kv + q * d;
  if (s.architecture == "qwen2") return out + q + 2 * kv;           // biases
  return s.architecture == "llama" ? out : out + 2.0 * s.head_dim;  // norms of query and key
}

double linear_params(const ModelShape& s) {
  double d = s.d_model, key = static_cast<double>(s.n_linear_key_heads) * s.linear_key_dim;
  double value = static_cast<double>(s.n_linear_value_heads) * s.linear_value_dim, heads = s.n_linear_value_heads;
  return d * (2 * key + 2 * value) + d * 2 * heads + (2 * key + value) * s.conv_kernel + 2 * heads +
         s.linear_value_dim + value * d;
}

double feed_forward_params(const ModelShape& s, bool active) {
  double d = s.d_model;
  if (s.n_experts == 0) return 3 * d * s.d_ff;
  double shared = s.d_shared_expert > 0 ? 3 * d * s.d_shared_expert + d : 0;
  double n = active ? s.n_experts_used - (s.d_shared_expert > 0 ? 1 : 0) : s.n_experts;
  return n * 3 * d * s.d_expert + d * s.n_experts + shared;
}

}  // namespace

Result<ModelShape> shape_from_config(const Json& whole) {
  if (!whole.is_object()) return bad_input("config.json: an object was expected");
  const Json& config = whole.contains("text_config") && whole["text_config"].is_object() ? whole["text_config"] : whole;
  ModelShape shape;
  shape.architecture = architecture_of(config);
  if (shape.architecture.empty()) shape.architecture = architecture_of(whole);
  if (shape.architecture.empty())
    return bad_input(
        fmt::format("config.json: model_type \"{}\" is not known; qwen2, qwen3, qwen3_moe, qwen3_next, qwen3_5, "
                    "qwen3_5_moe, llama are",
                    json_string(config, "model_type")));
  ConfigReader reader(config);
  shape.n_layers = reader.number("num_hidden_layers");
  shape.n_kv_layers = shape.n_layers;
  shape.d_model = reader.number("hidden_size");
  shape.n_heads = reader.number("num_attention_heads");
  shape.n_kv_heads = reader.number("num_key_value_heads", shape.n_heads);
  shape.head_dim = reader.number("head_dim", shape.n_heads > 0 ? shape.d_model / shape.n_heads : 0);
  shape.vocab = reader.number("vocab_size");
  shape.context = reader.number("max_position_embeddings", 0);
  bool moe = shape.architecture.ends_with("_moe") || shape.architecture == "qwen3_next";
  if (moe)
    read_experts(shape, reader);
  else
    shape.d_ff = reader.number("intermediate_size");
  if (shape.architecture == "qwen3_next" || shape.architecture.starts_with("qwen3_5"))
    read_linear(config, shape, reader);
  shape.tied_embeddings = json_bool(config, "tie_word_embeddings", json_bool(whole, "tie_word_embeddings"));
  QEVAL_CHECK(reader.status());
  if (shape.n_layers == 0 || shape.d_model == 0 || shape.n_heads == 0 || shape.head_dim == 0 || shape.vocab == 0 ||
      shape.d_ff == 0)
    return bad_input("config.json: layers, widths, heads and vocabulary must not be zero");
  return shape;
}

double shape_params(const ModelShape& s, bool active) {
  double linear_layers = s.n_layers - s.n_kv_layers;
  double layers = s.n_kv_layers * attention_params(s) + linear_layers * linear_params(s) +
                  s.n_layers * (feed_forward_params(s, active) + 2.0 * s.d_model);
  return layers + static_cast<double>(s.vocab) * s.d_model * (s.tied_embeddings ? 1 : 2) + s.d_model;
}

double shape_state_bytes(const ModelShape& s) {
  double key = static_cast<double>(s.n_linear_key_heads) * s.linear_key_dim,
         value = static_cast<double>(s.n_linear_value_heads) * s.linear_value_dim;
  double per_layer = value * s.linear_key_dim + std::max(s.conv_kernel - 1, 0) * (2 * key + value);
  return (s.n_layers - s.n_kv_layers) * per_layer * 4;
}

}  // namespace qeval
