#include "qeval/runner/scoring_pool.h"

namespace qeval {

ScoringPool::ScoringPool(int n_threads, size_t max_queued) : max_queued_(max_queued) {
  for (int i = 0; i < n_threads; ++i) threads_.emplace_back([this] { work(); });
}

ScoringPool::~ScoringPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_job_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ScoringPool::push(std::function<void()> job) {
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [&] { return jobs_.size() < max_queued_; });
  jobs_.push_back(std::move(job));
  has_job_.notify_one();
}

void ScoringPool::wait_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return jobs_.empty() && n_running_ == 0; });
}

void ScoringPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_job_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    ++n_running_;
    has_room_.notify_one();
    lock.unlock();
    job();
    lock.lock();
    if (--n_running_ == 0 && jobs_.empty()) idle_.notify_all();
  }
}

}  // namespace qeval
