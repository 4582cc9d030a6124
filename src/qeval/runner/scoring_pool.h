#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace qeval {

// A few threads that score samples while the engine decodes. push() blocks while the queue is full, so that a slow
// scorer holds the run back instead of filling memory. Jobs must not throw.
class ScoringPool {
 public:
  explicit ScoringPool(int n_threads, size_t max_queued = 256);
  ~ScoringPool();  // waits for queued jobs
  ScoringPool(const ScoringPool&) = delete;
  ScoringPool& operator=(const ScoringPool&) = delete;

  void push(std::function<void()> job);
  void wait_idle();           // until every pushed job has ended

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable has_job_, has_room_, idle_;
  std::deque<std::function<void()>> jobs_;
  size_t max_queued_, n_running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace qeval
