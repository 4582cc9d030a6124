#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qeval/util/json.h"

namespace qeval {

// A row of the registry: facts about weights, in the words of their config.json. Zero or "" = unknown.
struct ModelSpec {
  std::string id;                   // qwen2.5-7b-instruct
  std::string name;                 // for people
  std::string hf_id;                // Qwen/Qwen2.5-7B-Instruct
  std::string identity_note;        // says plainly where the id misleads; shown wherever the id is
  std::string family;               // qwen2.5, qwen3, qwen3.5 …
  std::string license;
  std::string priority;             // HIGH, MEDIUM, LOW
  std::string kind;                 // base, instruct, thinking, hybrid-thinking, coder, math
  double params_b = 0;              // total, billions
  double active_params_b = 0;       // MoE: per token; else = params_b
  double size_gb = 0;               // bf16 weights
  int n_layers = 0;
  int n_kv_layers = 0;              // layers that keep KV; < n_layers on hybrid models
  int d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0, vocab = 0;
  int n_experts = 0, n_experts_used = 0;
  double state_mib_per_seq = 0;     // recurrent state, llama.cpp F32
  bool tied_embeddings = false;
  int context = 0;                  // native
  int context_extended = 0;         // with YaRN (static: only when asked)
  double yarn_factor = 0;
  std::string thinking;             // none, switch, always
  bool thinking_default = false;
  Json sampling;                    // recommended: {"default": {...}, "thinking": {...}}
  std::vector<int> stop_ids;        // both end ids
  std::string tool_format;          // hermes, xml, none
  std::string gguf_repo;            // hf repo with GGUF files
  std::string gguf_quant;           // default quantisation: Q8_0 …
  std::vector<std::string> gguf_sha256;  // files known to be these weights, whatever they call themselves
  std::string vllm_min, llama_cpp_min;
  std::string file;                 // where the row came from
};

// Named serving configuration. Which fields act depends on the engine.
struct Preset {
  std::string name = "balanced";
  std::string focus;                         // for the tracker
  double gpu_memory_utilization = 0.85;
  int max_num_seqs = 64;                     // concurrency
  int evaluation_batch_size = 8;             // shown and recorded; limits only with --respect-batch-size
  bool prefix_caching = true;
  bool v2_block_manager = false;             // accepted; no longer exists in vLLM: says so
  std::string quantization_method = "none";
  int max_model_len = 32768;
  double agent_temperature = 0.1;
  Json vllm;                                 // further vLLM flags, as written
  Json llama;                                // n_batch, n_ubatch, flash_attn, type_k, type_v, n_threads
  std::string file;
};

// What was actually loaded. Results hang on this, never on a display name.
struct WeightsIdentity {
  std::string source;             // path, or hf:org/repo:file
  std::string hf_id, revision;    // where known
  std::string sha256;             // of the GGUF, all parts; "" = declared, not verified
  std::string quantization;       // Q4_1, BF16 …
  std::string tokenizer_hash;
  std::string chat_template_hash;
  std::string architecture;       // qwen2, qwen3, llama …
  std::string name;               // general.name of the file: says what the weights call themselves
  bool offers_tools = false;      // the chat template has a place for tools; not part of the identity
  int64_t size_bytes = 0;
  double params_b = 0;
  bool verified = false;
  Json identity() const;          // what enters the reuse key
};
Json to_json(const WeightsIdentity& weights);
WeightsIdentity weights_from_json(const Json& json);
Json to_json(const Preset& preset);   // resolved settings, tracker's key names first

}  // namespace qeval
