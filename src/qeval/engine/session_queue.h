#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/util/clock.h"
#include "qeval/util/result.h"

namespace qeval {

// The two queues behind an EngineSession: requests waiting for a worker, responses waiting for the caller. The upper
// half is EngineSession's contract for callers, the lower half is for the engine's own worker threads. Thread-safe.
class SessionQueue {
 public:
  struct Item {
    Request request;
    int64_t sequence = 0;  // 0-based, in order of submission
    SteadyClock::time_point submitted;
  };

  // Full when `max_pending` accepted requests are not yet handed out by next().
  explicit SessionQueue(size_t max_pending);

  // For callers.
  Result<bool> submit(Request request);
  std::optional<Response> next(std::chrono::milliseconds timeout);
  void cancel(RequestId id);
  void cancel_all();
  void close_input();
  bool finished() const;
  std::optional<Error> died() const;

  // For workers.
  // Waits until something is pending, a cancel has come, input closed or the queue stopped. False: stop working.
  bool wait_for_work(std::chrono::microseconds timeout);
  // Waits while requests keep arriving: until none came for `quiet`, input closed, the queue is full, or `most` is over.
  void settle(std::chrono::microseconds quiet, std::chrono::microseconds most);
  // Up to `limit` pending requests, highest priority first, then oldest; cancelled ones are answered, not returned.
  std::vector<Item> take(size_t limit);
  size_t n_pending() const;
  bool input_closed() const;  // nothing will be pending that is not yet
  // Exactly once per taken item. total_s is set here from the time of submission.
  void complete(Response response);
  // Sleeps, unless a cancel of `id` or stop comes first: then false.
  bool sleep_unless_cancelled(RequestId id, std::chrono::microseconds duration);
  bool cancelled(RequestId id) const;     // a taken request whose caller no longer wants it
  // Changes whenever a cancel or stop comes; may be read without a lock.
  uint64_t interrupt_count() const { return interrupts_.load(std::memory_order_relaxed); }
  // Changes only when everything in flight is cancelled (cancel_all, stop): a decoder may then drop its whole batch.
  const std::atomic<uint64_t>& abort_count() const { return aborts_; }
  bool stopped() const;
  // Ends all waiting; pending requests are answered as cancelled.
  void stop();
  // The session cannot go on: pending requests fail with this, later submits return the error.
  void die(const Error& error, EngineFailure failure);

 private:
  void complete_locked(Response response);
  void cancel_pending_locked();

  const size_t max_pending_;
  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  // priority (descending) → in order of arrival
  std::map<int, std::deque<Item>, std::greater<int>> pending_;
  size_t n_pending_ = 0;
  struct Outstanding {
    SteadyClock::time_point submitted;
    bool taken = false, cancelled = false;
  };
  std::unordered_map<RequestId, Outstanding> outstanding_;  // accepted, no response yet
  std::deque<Response> responses_;
  int64_t next_sequence_ = 0;
  bool closed_ = false, stopped_ = false;
  std::optional<Error> dead_;
  SteadyClock::time_point last_submit_;
  std::atomic<uint64_t> interrupts_{0}, aborts_{0};
};

}  // namespace qeval
