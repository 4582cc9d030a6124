#include "qeval/engine/session_queue.h"

#include <fmt/format.h>

namespace qeval {
namespace {

Response cancelled_response(RequestId id) {
  Response response;
  response.id = id;
  response.finish = FinishReason::cancelled;
  return response;
}

}  // namespace

SessionQueue::SessionQueue(size_t max_pending) : max_pending_(std::max<size_t>(max_pending, 1)) {}

Result<bool> SessionQueue::submit(Request request) {
  std::lock_guard lock(mutex_);
  if (dead_) return fail(*dead_);
  if (stopped_ || closed_) return fail(ErrorKind::internal, "a request was submitted after the session's input closed");
  if (outstanding_.size() + responses_.size() >= max_pending_) return false;
  const auto now = SteadyClock::now();
  if (!outstanding_.emplace(request.id, Outstanding{now}).second)
    return fail(ErrorKind::internal, fmt::format("request id {} is already in flight", request.id));
  last_submit_ = now;
  const int priority = request.priority;
  pending_[priority].push_back({std::move(request), next_sequence_++, now});
  ++n_pending_;
  work_.notify_all();
  return true;
}

std::optional<Response> SessionQueue::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  done_.wait_for(lock, timeout, [&] {
    return !responses_.empty() || ((closed_ || stopped_ || dead_) && outstanding_.empty());
  });
  if (responses_.empty()) return std::nullopt;
  Response response = std::move(responses_.front());
  responses_.pop_front();
  return response;
}

void SessionQueue::cancel(RequestId id) {
  std::lock_guard lock(mutex_);
  auto found = outstanding_.find(id);
  if (found == outstanding_.end()) return;
  found->second.cancelled = true;
  ++interrupts_;
  if (!found->second.taken) cancel_pending_locked();
  work_.notify_all();
}

void SessionQueue::cancel_all() {
  std::lock_guard lock(mutex_);
  for (auto& [id, state] : outstanding_) state.cancelled = true;
  ++interrupts_;
  ++aborts_;
  cancel_pending_locked();
  work_.notify_all();
}

bool SessionQueue::input_closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

void SessionQueue::close_input() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  work_.notify_all();
  done_.notify_all();
}

bool SessionQueue::finished() const {
  std::lock_guard lock(mutex_);
  return (closed_ || stopped_ || dead_) && outstanding_.empty() && responses_.empty();
}

std::optional<Error> SessionQueue::died() const {
  std::lock_guard lock(mutex_);
  return dead_;
}

bool SessionQueue::wait_for_work(std::chrono::microseconds timeout) {
  std::unique_lock lock(mutex_);
  const uint64_t before = interrupts_;
  work_.wait_for(lock, timeout, [&] { return n_pending_ > 0 || stopped_ || dead_ || interrupts_ != before; });
  return !stopped_ && !dead_;
}

void SessionQueue::settle(std::chrono::microseconds quiet, std::chrono::microseconds most) {
  std::unique_lock lock(mutex_);
  const auto end = SteadyClock::now() + most;
  auto done = [&] { return closed_ || stopped_ || outstanding_.size() + responses_.size() >= max_pending_; };
  while (!done() && SteadyClock::now() < std::min(last_submit_ + quiet, end))
    work_.wait_until(lock, std::min(last_submit_ + quiet, end), done);
}

std::vector<SessionQueue::Item> SessionQueue::take(size_t limit) {
  std::lock_guard lock(mutex_);
  std::vector<Item> taken;
  while (taken.size() < limit && !pending_.empty()) {
    auto first = pending_.begin();
    std::deque<Item>& items = first->second;
    outstanding_.at(items.front().request.id).taken = true;
    taken.push_back(std::move(items.front()));
    items.pop_front();
    --n_pending_;
    if (items.empty()) pending_.erase(first);
  }
  return taken;
}

size_t SessionQueue::n_pending() const {
  std::lock_guard lock(mutex_);
  return n_pending_;
}

void SessionQueue::complete(Response response) {
  std::lock_guard lock(mutex_);
  complete_locked(std::move(response));
}

void SessionQueue::complete_locked(Response response) {
  auto found = outstanding_.find(response.id);
  if (found == outstanding_.end()) return;
  response.total_s = seconds_since(found->second.submitted);
  outstanding_.erase(found);
  responses_.push_back(std::move(response));
  done_.notify_all();
}

bool SessionQueue::sleep_unless_cancelled(RequestId id, std::chrono::microseconds duration) {
  std::unique_lock lock(mutex_);
  auto interrupted = [&] {
    auto found = outstanding_.find(id);
    return stopped_ || found == outstanding_.end() || found->second.cancelled;
  };
  return !work_.wait_for(lock, duration, interrupted);
}

bool SessionQueue::cancelled(RequestId id) const {
  std::lock_guard lock(mutex_);
  auto found = outstanding_.find(id);
  return found == outstanding_.end() || found->second.cancelled;
}

bool SessionQueue::stopped() const {
  std::lock_guard lock(mutex_);
  return stopped_;
}

void SessionQueue::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  ++interrupts_;
  ++aborts_;
  for (auto& [id, state] : outstanding_) state.cancelled = true;
  cancel_pending_locked();
  work_.notify_all();
  done_.notify_all();
}

void SessionQueue::die(const Error& error, EngineFailure failure) {
  std::lock_guard lock(mutex_);
  dead_ = error;
  ++interrupts_;
  for (auto& [priority, items] : pending_) {
    for (Item& item : items) {
      Response response;
      response.id = item.request.id;
      response.failure = failure;
      response.failure_message = error.message;
      complete_locked(std::move(response));
    }
  }
  pending_.clear();
  n_pending_ = 0;
  work_.notify_all();
  done_.notify_all();
}

void SessionQueue::cancel_pending_locked() {
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    std::deque<Item>& items = entry->second;
    std::deque<Item> kept;
    for (Item& item : items) {
      if (outstanding_.at(item.request.id).cancelled) {
        complete_locked(cancelled_response(item.request.id));
        --n_pending_;
      } else {
        kept.push_back(std::move(item));
      }
    }
    items = std::move(kept);
    entry = items.empty() ? pending_.erase(entry) : std::next(entry);
  }
}

}  // namespace qeval
