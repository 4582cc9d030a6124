#include <algorithm>

#include "qeval/core/gguf_parts.h"
#include "qeval/engine/llama/gguf_file.h"
#include "qeval/engine/llama/llama_engine.h"

namespace qeval {
namespace {

// −1: absent. Some converters write one value per layer: the largest stands for all.
int64_t number_at(const gguf_context* file, const std::string& key) {
  const int64_t id = gguf_find_key(file, key.c_str());
  if (id < 0) return -1;
  switch (gguf_get_kv_type(file, id)) {
    case GGUF_TYPE_UINT32: return gguf_get_val_u32(file, id);
    case GGUF_TYPE_INT32: return gguf_get_val_i32(file, id);
    case GGUF_TYPE_UINT64: return static_cast<int64_t>(std::min<uint64_t>(gguf_get_val_u64(file, id), INT64_MAX));
    case GGUF_TYPE_ARRAY: {
      const gguf_type type = gguf_get_arr_type(file, id);
      if (type != GGUF_TYPE_INT32 && type != GGUF_TYPE_UINT32) return -1;
      const auto* values = static_cast<const int32_t*>(gguf_get_arr_data(file, id));
      int64_t most = -1;
      for (size_t i = 0; i < gguf_get_arr_n(file, id); ++i) most = std::max<int64_t>(most, values[i]);
      return most;
    }
    default: return -1;
  }
}

// llama.cpp's names of architectures and of their numbers, in config.json's words.
std::string model_type(const std::string& architecture) {
  if (architecture == "qwen3moe") return "qwen3_moe";
  if (architecture == "qwen3next") return "qwen3_next";
  if (architecture == "qwen35") return "qwen3_5";
  if (architecture == "qwen35moe") return "qwen3_5_moe";
  return architecture;
}

void put(Json& out, const char* key, int64_t value) {
  if (value >= 0) out[key] = value;
}

Json config_of(const gguf_context* file) {
  const std::string a = gguf_text(file, "general.architecture") + ".";
  auto n = [&](const char* key) { return number_at(file, a + key); };
  Json out = {{"model_type", model_type(gguf_text(file, "general.architecture"))}};
  const int64_t mtp = std::max<int64_t>(0, n("nextn_predict_layers"));
  put(out, "num_hidden_layers", n("block_count") < 0 ? -1 : n("block_count") - mtp);
  put(out, "hidden_size", n("embedding_length"));
  put(out, "num_attention_heads", n("attention.head_count"));
  put(out, "num_key_value_heads", n("attention.head_count_kv"));
  put(out, "head_dim", n("attention.key_length"));
  put(out, "intermediate_size", n("feed_forward_length"));
  put(out, "max_position_embeddings", n("context_length"));
  put(out, "num_experts", n("expert_count"));
  put(out, "num_experts_per_tok", n("expert_used_count"));
  put(out, "moe_intermediate_size", n("expert_feed_forward_length"));
  put(out, "shared_expert_intermediate_size", n("expert_shared_feed_forward_length"));
  put(out, "full_attention_interval", n("full_attention_interval"));
  put(out, "linear_conv_kernel_dim", n("ssm.conv_kernel"));
  put(out, "linear_num_key_heads", n("ssm.group_count"));
  put(out, "linear_num_value_heads", n("ssm.time_step_rank"));
  put(out, "linear_key_head_dim", n("ssm.state_size"));
  if (n("ssm.inner_size") > 0 && n("ssm.time_step_rank") > 0) out["linear_value_head_dim"] = n("ssm.inner_size") / n("ssm.time_step_rank");
  const int64_t table = gguf_find_tensor(file, "token_embd.weight");
  if (table >= 0) out["vocab_size"] = gguf_get_tensor_ne(file, table)[1];
  out["tie_word_embeddings"] = gguf_find_tensor(file, "output.weight") < 0;
  return out;
}

}  // namespace

Result<GgufFacts> gguf_facts(const std::string& path) {
  GgufFacts out;
  const std::vector<std::string> parts = gguf_parts(path);
  for (size_t i = 0; i < parts.size(); ++i) {
    QEVAL_TRY(Gguf file, open_gguf(parts[i]));
    if (i == 0) out.config = config_of(file.get());
    for (int64_t t = 0; t < gguf_get_n_tensors(file.get()); ++t) {
      const auto bytes = static_cast<int64_t>(gguf_get_tensor_size(file.get(), t));
      out.tensor_bytes += bytes;
      if (std::string(gguf_get_tensor_name(file.get(), t)) == "token_embd.weight") out.embedding_bytes = bytes;
    }
  }
  return out;
}

}  // namespace qeval
