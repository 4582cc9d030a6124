#pragma once

// Private to engine/llama: includes llama.h.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "llama.h"
#include "qeval/engine/engine.h"
#include "qeval/engine/llama/chat_template.h"
#include "qeval/engine/llama/llama_engine.h"

namespace qeval {

// What llama_model_meta_val_str gives; "" where absent.
std::string model_meta(const llama_model* model, const std::string& key);

// A loaded model with its tokenizer and template. Thread-safe after load: everything is const.
class LlamaModel {
 public:
  // `quantised` weights stay as in the file where the matrix back end reads them too; else llama.cpp may repack them for itself alone.
  static Result<std::unique_ptr<LlamaModel>> load(const LlamaOptions& options, bool quantised = false);
  ~LlamaModel();
  LlamaModel(const LlamaModel&) = delete;
  LlamaModel& operator=(const LlamaModel&) = delete;

  llama_model* get() const { return model_; }
  // The weights in what layout ggml wants for few rows: of a model loaded as in the file a second copy, made when first asked for.
  Result<llama_model*> for_few_rows() const;
  const llama_vocab* vocab() const { return vocab_; }
  const std::string& architecture() const { return architecture_; }
  int n_vocab() const { return n_vocab_; }
  int n_ctx_train() const { return llama_model_n_ctx_train(model_); }
  // Recurrent state is in play: sequences fork whole or not at all.
  bool whole_forks_only() const { return llama_model_is_hybrid(model_) || llama_model_is_recurrent(model_); }
  bool on_gpu() const { return on_gpu_; }

  // As the model's HF tokenizer: BOS only where it adds one itself and the text does not begin with it already.
  std::vector<TokenId> encode(const std::string& text, bool add_special = true, bool parse_special = true) const;
  std::string piece(TokenId token, bool special = false) const;
  bool ends_turn(TokenId token) const { return stop_ids_.count(token) > 0; }
  // The single control token that spells exactly `text`, if there is one.
  std::optional<TokenId> control_token(const std::string& text) const;
  // Stands in for an empty context: BOS, else EOS.
  TokenId prefix_token() const { return prefix_token_; }
  const ChatTemplate* chat_template() const { return template_.get(); }
  const std::string& chat_template_error() const { return template_error_; }  // why there is none

 private:
  LlamaModel() = default;
  void read_vocab(const LlamaOptions& options);

  llama_model* model_ = nullptr;
  mutable std::mutex repacked_mutex_;
  mutable llama_model* repacked_ = nullptr;  // null where model_ serves
  bool as_in_file_ = false;
  std::string path_;
  const llama_vocab* vocab_ = nullptr;
  std::string architecture_;
  int n_vocab_ = 0;
  bool on_gpu_ = false, adds_bos_ = false, composes_unicode_ = false;
  TokenId prefix_token_ = 0;
  std::string bos_text_, template_error_ = "the model's file holds no chat template";
  std::unordered_set<TokenId> stop_ids_;
  std::unique_ptr<ChatTemplate> template_;
};

}  // namespace qeval
