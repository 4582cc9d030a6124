#include "qeval/engine/openai/concurrency.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace qeval {
namespace {

constexpr int kStart = 16;
constexpr double kGain = 1.05, kLoss = 0.85;       // of throughput: worth growing, worth returning
constexpr int kTryAgain = 25;                      // windows
constexpr auto kShortest = std::chrono::milliseconds(300);
constexpr auto kPushBackEvery = std::chrono::milliseconds(500);  // a burst of 429 is one message

double seconds(SteadyClock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

ConcurrencyControl::ConcurrencyControl(int max, bool adaptive)
    : max_(std::max(1, max)), adaptive_(adaptive), limit_(adaptive ? std::min(max_, kStart) : max_), ceiling_(max_), best_limit_(limit_) {}

void ConcurrencyControl::open_window(SteadyClock::time_point now) {
  open_ = true;
  window_start_ = now;
  n_answers_ = n_full_ = 0;
  work_ = 0;
}

void ConcurrencyControl::set_limit(int limit) {
  limit_ = std::clamp(limit, 1, ceiling_);
  n_held_ = 0;
  open_ = false;
}

void ConcurrencyControl::on_answer(SteadyClock::time_point now, double work, int in_flight) {
  if (!adaptive_) return;
  if (!open_) return open_window(now);
  ++n_answers_;
  work_ += work;
  if (in_flight >= limit_) ++n_full_;
  if (n_answers_ >= std::max(4, limit_) && now - window_start_ >= kShortest) close_window(now);
}

void ConcurrencyControl::close_window(SteadyClock::time_point now) {
  const double rate = work_ / std::max(1e-9, seconds(now - window_start_));
  const bool full = 2 * n_full_ > n_answers_;
  open_window(now);
  // What was too much once is tried again, step by step.
  ceiling_ = std::min(max_, ceiling_ + std::max(1, ceiling_ / 8));
  if (!full) return;  // the limit was not what bound
  ++n_held_;
  if (rate > best_rate_ * kGain) {
    best_rate_ = rate;
    best_limit_ = limit_;
    if (limit_ < ceiling_) set_limit(2 * limit_);
    return;
  }
  if (limit_ != best_limit_ && rate < best_rate_ * kLoss) {
    set_limit(best_limit_);
    return;
  }
  if (n_held_ >= kTryAgain) {
    // Workloads change: what was no gain may be one now.
    best_rate_ = rate;
    best_limit_ = limit_;
    set_limit(limit_ + std::max(1, limit_ / 4));
  }
}

void ConcurrencyControl::on_push_back(SteadyClock::time_point now) {
  if (!adaptive_ || now - last_push_back_ < kPushBackEvery) return;
  last_push_back_ = now;
  ceiling_ = std::max(std::min(max_, 2), limit_ - 1);
  set_limit(static_cast<int>(std::floor(0.7 * limit_)));
  best_limit_ = std::min(best_limit_, limit_);
  best_rate_ = 0;
}

void ConcurrencyControl::on_server_queue(SteadyClock::time_point now, int n_waiting, int n_running) {
  if (!adaptive_ || n_waiting <= 0 || n_running <= 0) return;
  // A small queue keeps the server busy; more only makes answers wait there instead of here.
  const int wanted = n_running + std::max(2, n_running / 4);
  if (limit_ <= wanted || now - last_push_back_ < kPushBackEvery) return;
  last_push_back_ = now;
  ceiling_ = std::max(wanted, 1);
  best_limit_ = std::min(best_limit_, ceiling_);
  set_limit(wanted);
}

}  // namespace qeval
