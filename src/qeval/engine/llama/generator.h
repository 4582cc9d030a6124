#pragma once

// Private to engine/llama: includes llama.h.

#include <deque>
#include <memory>
#include <vector>

#include "qeval/engine/llama/decode_context.h"
#include "qeval/engine/llama/sampler.h"
#include "qeval/engine/session_queue.h"
#include "qeval/engine/stop_strings.h"

namespace qeval {

struct GeneratorLimits {
  int max_slots = 64;
  int max_len = 32768;              // tokens of prompt and answer together
  bool reuse_prefixes = true;
  int64_t kv_budget_bytes = 0;      // 0: no limit known
  double bytes_per_cell = 0;        // of the cache
  double bytes_per_sequence = 0;    // recurrent state
};

// Continuous batching: each request has a slot with a stream of the cache of its own; prompts and answers go through
// the model in the same batches. Worker thread only.
class Generator {
 public:
  Generator(const LlamaModel& model, const ContextSettings& settings, SessionQueue& queue, bool exact,
            const GeneratorLimits& limits);
  ~Generator();

  // `info` is the response so far; `prompt` is not empty and leaves room for an answer.
  void add(SessionQueue::Item item, Response info, std::vector<TokenId> prompt);
  bool empty() const { return waiting_.empty() && n_active() == 0; }
  int top_priority() const;
  void drop_cancelled();  // to be called whenever the queue's interrupt count has changed
  void step();
  void fail_all(EngineFailure failure, const std::string& message);
  bool idle() const { return n_active() == 0; }
  void release();
  const DecodeContext& context() const { return context_; }
  int64_t peak_cells() const { return peak_cells_; }
  double prefill_s() const { return prefill_s_; }

 private:
  struct Sequence;
  struct Slot {
    std::unique_ptr<Sequence> sequence;
    std::vector<TokenId> resident;  // tokens in the cache
  };

  int n_active() const;
  bool ensure_capacity(const Sequence& sequence);
  void admit();
  size_t next_candidate() const;
  void refresh_holder(const Sequence& sequence);
  bool decode_prefix(const std::vector<TokenId>& tokens, llama_seq_id seq);
  int usable_resident(const Slot& slot, const Sequence& sequence) const;
  int choose_slot(const Sequence& sequence) const;
  void begin(int slot, std::unique_ptr<Sequence> sequence);
  void close_holes();
  struct Part {
    int slot, n_tokens, row;  // row: index in the batch, −1 while the prompt is not complete
  };
  std::vector<Part> build_batch();
  void take_tokens(const std::vector<Part>& parts);
  bool take_token(Slot& slot, const float* logits);
  void finish(Slot& slot, FinishReason reason);
  void fail(Slot& slot, EngineFailure failure, const std::string& message);
  void after_failure(DecodeStatus status);

  const LlamaModel& model_;
  const ContextSettings settings_;
  SessionQueue& queue_;
  const bool exact_;
  const GeneratorLimits limits_;
  DecodeContext context_;
  std::deque<std::unique_ptr<Sequence>> waiting_;  // priority descending, then arrival
  std::vector<Slot> slots_;
  std::vector<TokenId> holder_;  // prefix that sequence id slots_.size() holds for others to start from
  std::vector<llama_seq_id> ids_;
  int64_t peak_cells_ = 0;
  double prefill_s_ = 0;
  Batch batch_;
};

}  // namespace qeval
