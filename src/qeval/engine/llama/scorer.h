#pragma once

// Private to engine/llama: includes llama.h.

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "qeval/engine/llama/decode_context.h"
#include "qeval/engine/llama/log_softmax.h"
#include "qeval/engine/llama/score_plan.h"
#include "qeval/engine/session_queue.h"

namespace qeval {

// Log-likelihoods of everything pending in a session, common prefixes decoded once. Worker thread only.
class LikelihoodScorer {
 public:
  LikelihoodScorer(const LlamaModel& model, const ContextSettings& settings, SessionQueue& queue, bool exact, int max_forks);

  // `info` is the response so far (id, prompt tokens, truncation); `jobs` is not empty.
  void add(const SessionQueue::Item& item, Response info, std::vector<ScoreJob> jobs);
  bool empty() const { return requests_.empty(); }
  // Less than a micro-batch of work is known: worth a moment's wait for more.
  bool starved() const;
  int top_priority() const;
  // Answers requests that the caller cancelled.
  void drop_cancelled();  // to be called whenever the queue's interrupt count has changed
  // Decodes one wave and completes what is finished with it.
  void step();
  // Every pending request fails (the context cannot be created …).
  void fail_all(EngineFailure failure, const std::string& message);
  void release() { context_.release(); spine_.clear(); }
  const DecodeContext& context() const { return context_; }
  int64_t peak_cells() const { return peak_cells_; }
  // Tokens in micro-batches, and what those had room for, while work for a full one was known.
  int64_t n_fill_tokens() const { return n_fill_tokens_; }
  int64_t n_fill_room() const { return n_fill_room_; }

 private:
  struct Pending {
    RequestId id = 0;
    Response response;
    SteadyClock::time_point submitted;
    bool want_token_logprobs = false, started = false;
    size_t n_jobs_left = 0;
    std::vector<std::unique_ptr<ScoreJob>> jobs;
  };

  bool prepare(const ScoreJob& longest);
  void sort_jobs();
  void step_shared();
  void step_forked();
  size_t place_of_spine();
  bool run_wave(const Wave& wave);
  bool make_room_behind_spine(int resident);
  void count_fill(const Wave& wave, size_t start);
  bool reduce_rows(const std::vector<int>& indices);
  void plan_all();
  void open_nodes();
  int tokens_left(int node) const;
  struct Rectangle {
    size_t n_nodes = 0;  // of open_, from its beginning
    int width = 0;       // tokens of each
  };
  int path_left(int node) const;  // tokens of it and of the longest path below
  Rectangle choose_rectangle();
  bool run_rectangle(const Rectangle& rectangle);
  void close_nodes();
  void free_cells(int index);
  bool score_alone(ScoreJob& job, RequestId id);
  void alone(std::vector<ScoreJob*> jobs);
  void keep_spine(const Wave& wave, size_t start);
  void mark_started(ScoreJob& job);
  void restart(ScoreJob& job);
  void read_row(ScoreJob& job, int target, size_t row);
  void finish_job(ScoreJob& job);
  void fail_request(int64_t owner, EngineFailure failure, const std::string& message);
  void purge_finished();
  void forget_plan();

  const LlamaModel& model_;
  const ContextSettings settings_;
  SessionQueue& queue_;
  const bool exact_, forks_;
  const int n_seqs_;                   // ids of the context; on plain models the last one is the spine's
  DecodeContext context_;
  std::unordered_map<int64_t, Pending> requests_;  // by the request's number in the session
  std::vector<ScoreJob*> order_;       // jobs not yet scored
  size_t n_sorted_ = 0;                // of order_, from its beginning
  std::vector<llama_seq_id> ids_;      // 0, 1, 2 …: ranges of it name a token's sequences
  // Plain models: the token path that the spine sequence holds.
  std::vector<TokenId> spine_;
  int n_packed_ = 0;                   // positions of it that fill the first cells, without a gap
  // Models that fork: the plan at hand. Jobs of the plan are not in order_.
  std::vector<ScoreJob*> plan_jobs_;
  std::vector<ForkNode> plan_;
  struct ForkState {
    llama_seq_id seq = -1;             // −1: not begun, or no longer needed
    int at = 0;                        // next position to decode
    int n_unforked = 0, n_unfinished = 0;  // children that have not begun; that hold cells or will
    int n_below = 0;                   // tokens from its end to its deepest leaf's
    std::vector<int> children;
  };
  std::vector<ForkState> fork_states_; // of each node of the plan
  std::set<int> ready_;                // nodes whose parent is decoded, without a sequence yet
  std::vector<int> open_;              // nodes being decoded
  std::vector<llama_seq_id> free_seqs_;
  int plan_depth_ = 0, n_cells_ = 0;
  int64_t n_plan_tokens_ = 0;          // left to decode
  int64_t peak_cells_ = 0, n_fill_tokens_ = 0, n_fill_room_ = 0;
  Batch batch_;
  std::vector<int> wanted_;            // batch indices of the rows that are read
  std::vector<const float*> rows_;     // their logits, as llama.cpp holds them until the next decode
  std::vector<RowSummary> summaries_;
};

}  // namespace qeval
