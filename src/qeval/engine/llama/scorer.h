#pragma once

// Private to engine/llama: includes llama.h.

#include <deque>
#include <map>
#include <memory>
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
  bool run_wave(const Wave& wave);
  bool run_forks(const std::vector<int>& nodes);
  bool run_level(const std::vector<int>& nodes);
  bool score_alone(ScoreJob& job, RequestId id);
  void alone(std::vector<ScoreJob*> jobs);
  void keep_spine(const Wave& wave, size_t start);
  void mark_started(ScoreJob& job);
  void read_row(ScoreJob& job, int target, const RowSummary& row, const float* logits);
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
  bool sorted_ = true;
  std::vector<llama_seq_id> ids_;      // 0, 1, 2 …: ranges of it name a token's sequences
  // Plain models: the token path that the spine sequence holds.
  std::vector<TokenId> spine_;
  // Models that fork: the plan at hand. Jobs of the plan are not in order_.
  std::vector<ScoreJob*> plan_jobs_;
  std::vector<ForkNode> plan_;
  std::vector<int> node_seq_, children_left_;
  size_t next_node_ = 0;
  std::vector<llama_seq_id> free_seqs_;
  int64_t peak_cells_ = 0;
  Batch batch_;
};

}  // namespace qeval
