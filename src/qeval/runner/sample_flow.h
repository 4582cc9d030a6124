#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "qeval/runner/run.h"
#include "qeval/runner/scoring_pool.h"
#include "qeval/runner/tally.h"
#include "qeval/runner/task_state.h"
#include "qeval/util/clock.h"

namespace qeval {

// The way of the data in one run: build samples → look up stored responses → submit what is missing → store each
// response → score complete samples. One session serves all tasks, so that the tail of one is filled by the next.
// Used by one thread; scorer threads call back into TaskState only.
class SampleFlow {
 public:
  SampleFlow(const RunPlan& plan, const RunServices& services, RunId run,
             std::vector<std::unique_ptr<TaskState>>& tasks, Engine& engine);
  Status run();
  bool interrupted() const { return interrupted_; }
  RunPerformance performance() const { return performance_; }

 private:
  using SamplePtr = std::shared_ptr<OpenSample>;
  struct Waiter { SamplePtr sample; size_t index; };
  struct InFlight { std::string key; std::vector<Waiter> waiters; Request request; };

  Status feed();                                  // builds and submits until the engine is full or all is built
  bool next_sample(TaskState*& task, size_t& index);
  Status open_sample(TaskState& task, size_t index);
  Status ask(const SamplePtr& sample, size_t from);  // requests from this index on
  Result<bool> submit_backlog();
  Status take(Response response);
  Status answer(const Waiter& waiter, const Response& response, bool reused);
  Status complete(const SamplePtr& sample);       // everything asked is answered: the next turn, or the score
  Result<bool> next_turn(const SamplePtr& sample);
  void score(const SamplePtr& sample);
  void close_input_if_done();
  Status drain();
  Status keep_what_is_there();
  std::string key_of(const Request& request) const;
  void report(bool now);
  bool stop_requested() const { return services_.stop && services_.stop->load(); }

  const RunPlan& plan_;
  const RunServices& services_;
  RunId run_;
  std::vector<std::unique_ptr<TaskState>>& tasks_;
  Engine& engine_;
  Json weights_identity_, engine_identity_;
  ChatRenderer renderer_;
  std::unique_ptr<EngineSession> session_;
  size_t task_cursor_ = 0, sample_cursor_ = 0;
  bool built_all_ = false, input_closed_ = false;
  RequestId next_id_ = 1;
  uint64_t next_conversation_ = 1;
  int64_t n_open_conversations_ = 0;              // samples that may still ask further
  std::unordered_map<RequestId, InFlight> in_flight_;
  std::unordered_map<std::string, RequestId> by_key_;
  std::deque<Request> backlog_;
  SteadyClock::time_point start_ = SteadyClock::now(), last_report_{};
  double first_submit_s_ = -1, last_response_s_ = 0;
  Tally tally_;
  RunProgress progress_;
  std::atomic<int64_t> n_scored_{0}, n_failed_{0};
  std::mutex error_mutex_;
  std::optional<Error> score_error_;
  bool interrupted_ = false;
  bool told_tools_failed_ = false;
  RunPerformance performance_;
  ScoringPool pool_;  // last: its threads end before anything that they use
};

}  // namespace qeval
