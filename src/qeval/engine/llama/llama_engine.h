#pragma once

#include <functional>
#include <memory>
#include <string>

#include "qeval/core/model_spec.h"
#include "qeval/engine/engine.h"
#include "qeval/engine/tokenizer.h"

namespace qeval {

struct LlamaOptions {
  std::string model_path;          // GGUF; the first part of a split file
  Preset preset;                   // max_num_seqs, max_model_len, llama.{n_batch,n_ubatch,flash_attn,type_k,type_v,n_threads}
  std::string source;              // what the user asked for, for the record
  std::string hf_id, revision;
  std::string sha256;              // of the file(s), computed by the caller
  std::string expanded_from;       // type of the weights that these were expanded from, "" = they are as published
  int n_threads = 0;               // 0: physical cores
  int n_gpu_layers = -1;           // all, where a device is built in
  double yarn_factor = 0;          // static YaRN only when asked
  std::vector<int> extra_stop_ids; // registry: both end ids
  bool vocab_only = false;         // no weights: tokenizer and chat template alone
  std::function<bool(float)> progress;  // 0..1; false aborts
};

// Loads the model; error (bad_input for broken files, environment otherwise) says what llama.cpp complained of.
Result<std::unique_ptr<Engine>> load_llama_engine(const LlamaOptions& options);

// Version and commit of the llama.cpp that is linked in; known without loading a model.
std::string llama_engine_version();

// Name, architecture, quantisation, sizes and context of a GGUF without loading its weights.
Result<WeightsIdentity> inspect_gguf(const std::string& path);

// Tokenizer and chat template of a GGUF, without its weights.
Result<std::shared_ptr<const Tokenizer>> load_gguf_tokenizer(const std::string& path);

// What a plan needs of a GGUF, in the words of a config.json; weights are not loaded. Error (bad_input): not readable.
struct GgufFacts {
  Json config;
  int64_t tensor_bytes = 0;
  int64_t embedding_bytes = 0;  // of it, the input table
};
Result<GgufFacts> gguf_facts(const std::string& path);

}  // namespace qeval
