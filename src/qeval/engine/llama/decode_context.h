#pragma once

// Private to engine/llama: includes llama.h.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "llama.h"
#include "qeval/engine/engine.h"
#include "qeval/engine/llama/model.h"

namespace qeval {

// Resolved settings of this run's contexts.
struct ContextSettings {
  int n_threads = 1;
  int n_ubatch = 512;                  // tokens that go through the model at once
  ggml_type type_k = GGML_TYPE_F16, type_v = GGML_TYPE_F16;
  llama_flash_attn_type flash_attn = LLAMA_FLASH_ATTN_TYPE_AUTO;
  double yarn_factor = 0;
  int max_rows = 256;                  // rows of logits per call: bounds their memory
  // A token's numbers shall not depend on how many are decoded beside it (matrix_backend.h); else weights lie as suits few tokens.
  bool rows_alike = false;
};

struct ContextShape {
  int n_seq_max = 1;
  int n_ctx_seq = 256;   // cells of one sequence; of all together where unified
  bool unified = false;
  int n_rows = 0;        // rows of logits per call; 0: ContextSettings::max_rows
};

// Tokens of one llama_decode call. Rows are read back by the index that add() returned.
class Batch {
 public:
  // `seqs` must stay valid until the decode.
  int add(TokenId token, int pos, llama_seq_id* seqs, int n_seqs, bool want_row);
  void clear();
  int size() const { return static_cast<int>(token_.size()); }
  int n_rows() const { return n_rows_; }
  const std::vector<int>& rows() const { return row_; }  // for each token which of the rows is its; −1: it has none
  llama_batch view();

 private:
  std::vector<llama_token> token_;
  std::vector<llama_pos> pos_;
  std::vector<int32_t> n_seq_;
  std::vector<llama_seq_id*> seq_;
  std::vector<int8_t> want_;
  std::vector<int> row_;
  int n_rows_ = 0;
};

enum class DecodeStatus { ok, no_slot, aborted, failed };

// One llama_context and its accounting. Used by the session's worker thread only.
class DecodeContext {
 public:
  // `abort`: when it differs from its value at the start of a decode, the decode stops.
  DecodeContext(const LlamaModel& model, const ContextSettings& settings, const std::atomic<uint64_t>* abort);
  ~DecodeContext();
  DecodeContext(const DecodeContext&) = delete;
  DecodeContext& operator=(const DecodeContext&) = delete;

  // Creates or replaces the context; its memory is empty afterwards. Error (environment): llama's complaint.
  Status create(const ContextShape& shape);
  void release();
  bool exists() const { return context_ != nullptr; }
  const ContextShape& shape() const { return shape_; }

  DecodeStatus decode(Batch& batch);
  const std::string& decode_error() const { return error_; }
  const float* row(int index);       // of the last decode, until the next; null if it was not asked for

  // Sequences. Copies are of the whole sequence where n < 0.
  void clear();
  void copy(llama_seq_id from, llama_seq_id to, int n = -1);
  bool trim(llama_seq_id seq, int n);  // keeps the first n positions
  void remove(llama_seq_id seq);
  // Drops all other sequences and moves this one's cells to the front, in order. False: the cache is empty now.
  bool pack(llama_seq_id seq);

  double last_decode_s() const { return last_decode_s_; }
  int64_t n_tokens() const { return n_tokens_; }
  int64_t n_calls() const { return n_calls_; }
  int64_t n_rows() const { return n_rows_; }
  double busy_s() const { return busy_s_; }
  int64_t model_bytes() const { return model_bytes_; }
  int64_t kv_bytes() const { return kv_bytes_; }
  int64_t compute_bytes() const { return compute_bytes_; }

 private:
  const LlamaModel& model_;
  const ContextSettings settings_;
  const std::atomic<uint64_t>* abort_;
  uint64_t abort_at_start_ = 0;
  llama_context* context_ = nullptr;
  ContextShape shape_;
  std::string error_;
  bool in_order_ = false;            // a decode is one micro-batch, in the batch's order
  std::span<const float> in_place_;  // the last decode's logits, where they were not copied
  std::vector<int> row_of_;          // Batch::rows() of that decode
  std::vector<uint8_t> moved_;       // cells on their way to the front
  double last_decode_s_ = 0, busy_s_ = 0;
  int64_t n_tokens_ = 0, n_calls_ = 0, n_rows_ = 0;
  int64_t model_bytes_ = 0, kv_bytes_ = 0, compute_bytes_ = 0;
};


}  // namespace qeval
