#include "qeval/engine/openai/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <random>
#include <thread>
#include <unordered_set>

#include "qeval/engine/openai/addresses.h"
#include "qeval/engine/openai/concurrency.h"
#include "qeval/engine/openai/context_cache.h"
#include "qeval/engine/openai/job.h"
#include "qeval/engine/openai/server_load.h"
#include "qeval/engine/tokenizer.h"
#include "qeval/net/http_multi.h"

namespace qeval {
namespace {

using std::chrono::milliseconds;
using TimePoint = SteadyClock::time_point;

constexpr size_t kMaxErrorBody = 64 * 1024, kContexts = 4096;
constexpr int kHopeless = 16;  // refused requests without a good one before: the setting is wrong, not the requests
constexpr auto kLookAtDeadlines = milliseconds(200);

std::chrono::microseconds after_s(double seconds) { return std::chrono::microseconds(static_cast<int64_t>(std::max(0.0, seconds) * 1e6)); }

class OpenAiSession;

// A job with the state of its current attempt.
struct Slot : HttpSink {
  Slot(OpenAiSession& owner, std::unique_ptr<Job> work) : session(owner), job(std::move(work)) {}
  bool on_data(long status, std::string_view bytes) override;
  void on_end(const HttpEnd& end) override;

  OpenAiSession& session;
  std::unique_ptr<Job> job;
  size_t address = 0;
  bool sent = false;
  int n_attempts = 0;                  // of the current question
  int n_push_backs = 0;
  TimePoint last_sign{}, due{};
  std::optional<TimePoint> first_sent, push_back_since;
  bool first_byte = false;
  std::string error_body;
};

class OpenAiSession : public EngineSession {
 public:
  OpenAiSession(const OpenAiSetup& setup, const SessionOptions& options, std::unique_ptr<HttpMulti> multi)
      : setup_(setup), queue_(options.max_pending), multi_(std::move(multi)), addresses_(setup.base_urls), contexts_(kContexts),
        control_(options.exact ? 1 : setup.max_concurrency, setup.adaptive && !options.exact), load_(setup.base_urls, *multi_, setup.metrics && setup.adaptive) {
    context_.body = setup.body;
    context_.max_model_len = setup.max_model_len;
    context_.echo = setup.echo;
    context_.top_tokens = setup.top_tokens;
    context_.tokenizer = setup.tokenizer;
    context_.prefix_token = setup.prefix_token;
    context_.contexts = &contexts_;
    worker_ = std::thread([this] { run(); });
  }
  ~OpenAiSession() override {
    queue_.stop();
    multi_->wake();
    worker_.join();
  }

  Result<bool> submit(Request request) override {
    auto accepted = queue_.submit(std::move(request));
    if (accepted && *accepted && idle_.load(std::memory_order_relaxed)) multi_->wake();
    return accepted;
  }
  std::optional<Response> next(milliseconds timeout) override { return queue_.next(timeout); }
  void cancel(RequestId id) override {
    queue_.cancel(id);
    multi_->wake();
  }
  void cancel_all() override {
    queue_.cancel_all();
    multi_->wake();
  }
  void close_input() override { queue_.close_input(); }
  bool finished() const override { return queue_.finished(); }
  std::optional<Error> died() const override { return queue_.died(); }
  SessionStats stats() const override {
    std::lock_guard lock(stats_mutex_);
    return stats_;
  }

  // From slots, on the worker's thread.
  bool on_data(Slot& slot, long status, std::string_view bytes);
  void on_end(Slot& slot, const HttpEnd& end);

 private:
  void run();
  void work();
  void take_new();
  void send_ready();
  bool send(Slot& slot);
  void leave(Slot& slot);
  void act(Slot& slot, const Verdict& verdict);
  void again(Slot& slot, double wait_s);
  void complete(Slot& slot);
  void fail_slot(Slot& slot, EngineFailure failure, const std::string& message);
  void drop(Slot& slot);
  void drop_cancelled();
  void wake_waiting(TimePoint now);
  void check_deadlines(TimePoint now);
  void die(const std::string& message, EngineFailure failure);
  void count(const Response& response, bool good);
  double jitter() { return 0.5 + std::uniform_real_distribution<double>(0, 1)(random_); }
  milliseconds patience(TimePoint now) const;

  const OpenAiSetup setup_;
  SessionQueue queue_;
  std::unique_ptr<HttpMulti> multi_;
  Addresses addresses_;
  ContextCache contexts_;
  ConcurrencyControl control_;
  ServerLoad load_;
  JobContext context_;
  std::unordered_set<Slot*> slots_;      // owned
  std::deque<Slot*> ready_;              // to be sent as soon as an address takes them
  std::vector<Slot*> waiting_;           // for their next attempt
  int n_running_ = 0, n_refused_ = 0;
  bool any_good_ = false, dead_ = false;
  TimePoint deadlines_due_{};
  std::mt19937_64 random_{std::random_device{}()};
  std::atomic<bool> idle_{false};
  mutable std::mutex stats_mutex_;
  SessionStats stats_;
  TimePoint busy_since_{};
  std::thread worker_;
};

bool Slot::on_data(long status, std::string_view bytes) { return session.on_data(*this, status, bytes); }
void Slot::on_end(const HttpEnd& end) { session.on_end(*this, end); }

void OpenAiSession::run() {
  try {
    work();
  } catch (const std::exception& e) {
    die(std::string("the engine's worker stopped: ") + e.what(), EngineFailure::engine_error);
  }
  std::vector<Slot*> left(slots_.begin(), slots_.end());
  for (Slot* slot : left) {
    slot->job->response.finish = FinishReason::cancelled;
    queue_.complete(std::move(slot->job->response));
    drop(*slot);
  }
}

void OpenAiSession::work() {
  uint64_t interrupts = 0;
  while (!queue_.stopped()) {
    if (queue_.interrupt_count() != interrupts) {
      interrupts = queue_.interrupt_count();
      drop_cancelled();
    }
    const auto now = SteadyClock::now();
    wake_waiting(now);
    take_new();
    send_ready();
    if (n_running_ > 0) load_.ask_if_due(now);
    if (auto load = load_.take()) control_.on_server_queue(now, load->n_waiting, load->n_running);
    idle_ = true;
    const bool more = queue_.n_pending() > 0 && n_running_ < control_.limit() && !dead_ && ready_.empty() && waiting_.empty();
    multi_->poll(more ? milliseconds(0) : patience(now));
    idle_ = false;
    if (now >= deadlines_due_) {
      deadlines_due_ = now + kLookAtDeadlines;
      check_deadlines(SteadyClock::now());
    }
  }
}

milliseconds OpenAiSession::patience(TimePoint now) const {
  TimePoint until = now + (slots_.empty() ? milliseconds(500) : kLookAtDeadlines);
  for (const Slot* slot : waiting_) until = std::min(until, slot->due);
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(until - now));
}

void OpenAiSession::take_new() {
  if (dead_) return;
  const int limit = control_.limit();
  // Those that wait for another attempt hold their place once over, so that a failing server cannot fill memory.
  const int room = std::min(limit - n_running_ - static_cast<int>(ready_.size()), 2 * limit - static_cast<int>(slots_.size()));
  if (room <= 0) return;
  for (SessionQueue::Item& item : queue_.take(static_cast<size_t>(room))) {
    auto job = item.request.kind == RequestKind::generate ? make_generate_job(std::move(item), context_) : make_likelihood_job(std::move(item), context_);
    auto* slot = new Slot(*this, std::move(job));
    slots_.insert(slot);
    ready_.push_back(slot);
  }
}

void OpenAiSession::send_ready() {
  while (!ready_.empty() && n_running_ < control_.limit()) {
    Slot* slot = ready_.front();
    if (!addresses_.pick(slot->job->item.request.conversation, SteadyClock::now())) return;
    ready_.pop_front();
    send(*slot);
  }
}

bool OpenAiSession::send(Slot& slot) {
  auto address = addresses_.pick(slot.job->item.request.conversation, SteadyClock::now());
  if (!address) {
    ready_.push_front(&slot);
    return false;
  }
  std::optional<HttpQuestion> question = slot.job->question();
  if (!question) {
    complete(slot);
    return false;
  }
  slot.address = *address;
  slot.error_body.clear();
  slot.first_byte = false;
  slot.last_sign = SteadyClock::now();
  if (!slot.first_sent) slot.first_sent = slot.last_sign;
  slot.job->response.queue_s = std::chrono::duration<double>(slot.last_sign - slot.job->item.submitted).count();
  auto started = multi_->start({addresses_.url(*address) + question->path, std::move(question->body)}, &slot);
  if (!started) {
    fail_slot(slot, EngineFailure::engine_error, started.error().message);
    return false;
  }
  slot.sent = true;
  addresses_.on_sent(*address);
  if (n_running_++ == 0) busy_since_ = slot.last_sign;
  return true;
}

bool OpenAiSession::on_data(Slot& slot, long status, std::string_view bytes) {
  slot.last_sign = SteadyClock::now();
  slot.first_byte = true;
  if (status / 100 == 2) return slot.job->on_data(bytes);
  if (slot.error_body.size() < kMaxErrorBody) slot.error_body.append(bytes.substr(0, kMaxErrorBody - slot.error_body.size()));
  return slot.error_body.size() < kMaxErrorBody;
}

void OpenAiSession::on_end(Slot& slot, const HttpEnd& end) {
  const auto now = SteadyClock::now();
  const int in_flight = n_running_;
  leave(slot);
  if (end.status != 0) addresses_.on_answer(slot.address);
  const bool good_status = end.status / 100 == 2;
  const bool judged_by_job = good_status && end.fault != HttpFault::not_reached && end.fault != HttpFault::bad_protocol;
  std::optional<Verdict> verdict = judged_by_job ? slot.job->on_answer(end) : judge_http(end, slot.error_body);
  if (verdict) return act(slot, *verdict);
  slot.n_attempts = slot.n_push_backs = 0;
  slot.push_back_since.reset();
  if (slot.job->done()) {
    const Response& r = slot.job->response;
    control_.on_answer(now, r.n_new_tokens + 0.1 * r.n_prompt_tokens + 1, in_flight);
    return complete(slot);
  }
  ready_.push_front(&slot);
}

// A transfer is over.
void OpenAiSession::leave(Slot& slot) {
  slot.sent = false;
  addresses_.on_dropped(slot.address);
  if (--n_running_ > 0) return;
  std::lock_guard lock(stats_mutex_);
  stats_.busy_s += seconds_since(busy_since_);
}

void OpenAiSession::act(Slot& slot, const Verdict& verdict) {
  const auto now = SteadyClock::now();
  switch (verdict.action) {
    case Action::stop: return die(verdict.message, verdict.failure);
    case Action::refuse:
      if (!any_good_ && ++n_refused_ >= kHopeless && verdict.failure == EngineFailure::unsupported)
        return die(fmt::format("the server refused the first {} requests: {}", n_refused_, verdict.message), verdict.failure);
      return fail_slot(slot, verdict.failure, verdict.message);
    case Action::elsewhere: {
      addresses_.on_not_reached(slot.address, now, jitter());
      auto since = addresses_.all_down_since();
      if (since && now - *since > after_s(setup_.timeouts.outage_s))
        return die(fmt::format("no server is reached for {:.0f} s ({}): {}", setup_.timeouts.outage_s, addresses_.summary(), verdict.message), verdict.failure);
      ready_.push_front(&slot);
      return;
    }
    case Action::push_back: {
      control_.on_push_back(now);
      if (!slot.push_back_since) slot.push_back_since = now;
      if (now - *slot.push_back_since > after_s(setup_.timeouts.push_back_s)) return fail_slot(slot, verdict.failure, verdict.message);
      const double wait_s = verdict.wait_s >= 0 ? std::min(verdict.wait_s, 300.0) : back_off_s(++slot.n_push_backs, jitter());
      if (verdict.wait_s >= 0) addresses_.pause(slot.address, now + after_s(wait_s));
      return again(slot, wait_s * (verdict.wait_s >= 0 ? 1 + 0.2 * (jitter() - 0.5) : 1));
    }
    case Action::retry:
      if (++slot.n_attempts >= setup_.max_attempts)
        return fail_slot(slot, verdict.failure, fmt::format("{} (given up after {} attempts)", verdict.message, slot.n_attempts));
      return again(slot, verdict.wait_s >= 0 ? std::min(verdict.wait_s, 300.0) : back_off_s(slot.n_attempts, jitter()));
  }
}

void OpenAiSession::again(Slot& slot, double wait_s) {
  slot.due = SteadyClock::now() + after_s(wait_s);
  waiting_.push_back(&slot);
}

void OpenAiSession::wake_waiting(TimePoint now) {
  auto due = std::stable_partition(waiting_.begin(), waiting_.end(), [&](const Slot* slot) { return slot->due > now; });
  for (auto it = due; it != waiting_.end(); ++it) ready_.push_front(*it);
  waiting_.erase(due, waiting_.end());
}

void OpenAiSession::check_deadlines(TimePoint now) {
  std::vector<Slot*> silent;
  for (Slot* slot : slots_) {
    if (!slot->sent) continue;
    const double limit = slot->first_byte ? setup_.timeouts.stall_s : setup_.timeouts.first_byte_s;
    if (now - slot->last_sign > after_s(limit)) silent.push_back(slot);
  }
  for (Slot* slot : silent) {
    multi_->abort(slot);
    leave(*slot);
    act(*slot, {Action::retry, EngineFailure::timeout,
                fmt::format("no byte came for {:.0f} s", slot->first_byte ? setup_.timeouts.stall_s : setup_.timeouts.first_byte_s)});
    if (dead_) return;
  }
}

void OpenAiSession::drop_cancelled() {
  std::vector<Slot*> all(slots_.begin(), slots_.end());
  for (Slot* slot : all) {
    if (!queue_.cancelled(slot->job->item.request.id)) continue;
    slot->job->response.finish = FinishReason::cancelled;
    queue_.complete(std::move(slot->job->response));
    drop(*slot);
  }
}

void OpenAiSession::complete(Slot& slot) {
  Response response = std::move(slot.job->response);
  const bool good = response.failure == EngineFailure::none;
  any_good_ = any_good_ || good;
  count(response, good);
  drop(slot);
  queue_.complete(std::move(response));
}

void OpenAiSession::count(const Response& response, bool good) {
  if (!good) return;
  std::lock_guard lock(stats_mutex_);
  ++stats_.n_batches;
  stats_.n_decoded_tokens += response.n_prompt_tokens - response.n_cached_tokens + response.n_new_tokens;
}

void OpenAiSession::fail_slot(Slot& slot, EngineFailure failure, const std::string& message) {
  Response& response = slot.job->response;
  response.finish = FinishReason::failed;
  response.failure = failure;
  response.failure_message = message;
  response.text.clear();
  complete(slot);
}

void OpenAiSession::drop(Slot& slot) {
  if (slot.sent) {
    multi_->abort(&slot);
    leave(slot);
  }
  if (!ready_.empty()) std::erase(ready_, &slot);
  if (!waiting_.empty()) std::erase(waiting_, &slot);
  slots_.erase(&slot);
  delete &slot;
}

void OpenAiSession::die(const std::string& message, EngineFailure failure) {
  if (dead_) return;
  dead_ = true;
  queue_.die({ErrorKind::environment, message}, failure);
  std::vector<Slot*> all(slots_.begin(), slots_.end());
  for (Slot* slot : all) fail_slot(*slot, failure, message);
}

}  // namespace

Result<std::unique_ptr<EngineSession>> make_openai_session(const OpenAiSetup& setup, const SessionOptions& options) {
  HttpMultiOptions http;
  http.headers = {"Content-Type: application/json", "Accept: text/event-stream, application/json"};
  if (!setup.api_key.empty()) http.headers.push_back("Authorization: Bearer " + setup.api_key);
  http.connect_timeout = milliseconds(static_cast<int64_t>(setup.timeouts.connect_s * 1000));
  QEVAL_TRY(auto multi, HttpMulti::create(http));
  return std::make_unique<OpenAiSession>(setup, options, std::move(multi));
}

}  // namespace qeval
