#pragma once

// Private to engine/llama: includes llama.h.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
  int n_streams() const { return n_streams_; }  // of the largest cache so far, without the one of a kept prefix
  // Busy slots, and slots, summed over the steps during which requests waited for one.
  int64_t n_busy_slots() const { return n_busy_slots_; }
  int64_t n_all_slots() const { return n_all_slots_; }

 private:
  struct Sequence {
    SessionQueue::Item item;
    Response response;
    std::vector<TokenId> prompt;
    std::unique_ptr<TokenSampler> sampler;
    StopScanner scanner;
    std::map<TokenId, std::string> stop_tokens;  // stop strings that are control tokens and so never appear in the text
    std::vector<TokenId> generated;
    int n_past = 0;
    bool started = false;

    int n_needed() const { return static_cast<int>(prompt.size()) + item.request.max_new_tokens; }
    // The prompt is not through yet (or has to go through again): more than the newest token is to be decoded.
    bool prompting() const { return generated.empty() || n_total() - n_past > 1; }
    int n_total() const { return static_cast<int>(prompt.size() + generated.size()); }
    TokenId token_at(int pos) const {
      const size_t p = static_cast<size_t>(pos);
      return p < prompt.size() ? prompt[p] : generated[p - prompt.size()];
    }
  };
  struct Slot {
    std::unique_ptr<Sequence> sequence;
    std::vector<TokenId> resident;  // tokens in the cache
  };

  int n_active() const;
  bool ensure_capacity(const Sequence& sequence);
  void admit();
  void fail_without_memory(size_t at);
  std::optional<size_t> next_candidate() const;
  bool displaces(const Sequence& sequence) const;
  bool worth_waiting(const Sequence& sequence) const;
  void refresh_holder(const Sequence& sequence);
  bool decode_prefix(const std::vector<TokenId>& tokens, llama_seq_id seq);
  int usable_resident(const Slot& slot, const Sequence& sequence) const;
  int longest_resident(const Sequence& sequence, int* slot) const;
  int choose_slot(const Sequence& sequence) const;
  int loss(size_t slot) const;
  int start_from(int index, const Sequence& sequence);
  void begin(int slot, std::unique_ptr<Sequence> sequence);
  void close_holes();
  struct Part {
    int slot, n_tokens, row;  // row: index in the batch, −1 while the prompt is not complete
  };
  struct Rectangle {
    int first = 0, n_slots = 0, width = 0;  // neighbouring slots, and the prompt tokens that each contributes
  };
  Rectangle choose_rectangle(int budget) const;
  std::vector<Part> build_batch();
  void count_step(const std::vector<Part>& parts);
  void take_tokens(const std::vector<Part>& parts);
  bool take_token(Slot& slot, const Result<TokenSampler::Pick>& pick);
  void finish(Slot& slot, FinishReason reason);
  void fail(Slot& slot, EngineFailure failure, const std::string& message);
  void after_failure(DecodeStatus status);

  const LlamaModel& model_;
  const ContextSettings settings_;
  SessionQueue& queue_;
  const bool exact_;
  const GeneratorLimits limits_;
  const bool copies_slots_, holds_prefix_;  // how prefixes are shared: out of any slot, or out of a sequence kept for it
  DecodeContext context_;
  // Priority descending, then most new tokens, then arrival: the longest answers must not be begun last.
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<Slot> slots_;
  std::vector<TokenId> holder_;  // prefix that sequence id slots_.size() holds for others to start from
  std::vector<llama_seq_id> ids_;
  int64_t peak_cells_ = 0, n_busy_slots_ = 0, n_all_slots_ = 0;
  int n_streams_ = 0;
  double prefill_s_ = 0;
  Batch batch_;
};

}  // namespace qeval
