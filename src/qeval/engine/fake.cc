#include "qeval/engine/fake.h"

#include <atomic>
#include <thread>

#include "qeval/engine/session_queue.h"
#include "qeval/engine/stop_strings.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

Response default_answer(const Request& request) {
  Response response;
  if (request.kind == RequestKind::generate) return response;
  const size_t n_bytes = request.kind == RequestKind::loglikelihood ? request.continuation.size()
                                                                    : prompt_text(request.prompt).size();
  response.logprob_nats = -static_cast<double>(n_bytes);
  return response;
}

// What a real engine would do with the model's words: fill the id, cut at the first stop string, name the finish.
void finish_answer(const Request& request, Response& response) {
  response.id = request.id;
  if (response.failure != EngineFailure::none || response.finish == FinishReason::cancelled) return;
  if (request.kind != RequestKind::generate) {
    response.finish = FinishReason::scored;
    return;
  }
  if (auto hit = StopScanner(request.until).scan(response.text)) {
    response.text.resize(hit->position);
    response.stop_string = hit->stop;
    response.finish = FinishReason::stop_string;
  } else if (response.finish == FinishReason::failed) {
    response.finish = FinishReason::end_of_turn;
  }
  if (response.n_new_tokens == 0) response.n_new_tokens = static_cast<int>(response.text.size());
}

class FakeSession : public EngineSession {
 public:
  FakeSession(const FakeOptions& options, const SessionOptions& session)
      : options_(options), queue_(session.max_pending), worker_([this] { work(); }) {}
  ~FakeSession() override {
    queue_.stop();
    worker_.join();
  }

  Result<bool> submit(Request request) override { return queue_.submit(std::move(request)); }
  std::optional<Response> next(std::chrono::milliseconds timeout) override { return queue_.next(timeout); }
  void cancel(RequestId id) override { queue_.cancel(id); }
  void cancel_all() override { queue_.cancel_all(); }
  void close_input() override { queue_.close_input(); }
  bool finished() const override { return queue_.finished(); }
  SessionStats stats() const override {
    SessionStats stats;
    stats.n_decoded_tokens = n_tokens_;
    stats.n_batches = n_batches_;
    stats.n_output_rows = n_batches_;
    stats.busy_s = static_cast<double>(busy_us_) / 1e6;
    stats.decode_s = stats.busy_s;
    return stats;
  }

 private:
  void work() {
    while (queue_.wait_for_work(std::chrono::seconds(1)))
      for (SessionQueue::Item& item : queue_.take(1)) queue_.complete(respond(item));
  }

  Response respond(const SessionQueue::Item& item) {
    const auto start = SteadyClock::now();
    Response response;
    response.id = item.request.id;
    if (!queue_.sleep_unless_cancelled(item.request.id, options_.latency)) {
      response.finish = FinishReason::cancelled;
      return response;
    }
    auto fault = options_.faults.find(item.sequence);
    if (fault != options_.faults.end() && fault->second != EngineFailure::none) {
      response.failure = fault->second;
      response.failure_message = "scripted fault";
      return response;
    }
    response = answer(item.request);
    response.queue_s = std::chrono::duration<double>(start - item.submitted).count();
    response.first_token_s = seconds_since(item.submitted);
    n_tokens_ += response.n_prompt_tokens + response.n_new_tokens;
    ++n_batches_;
    busy_us_ += std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - start).count();
    return response;
  }

  Response answer(const Request& request) const {
    Response response;
    if (request.kind != RequestKind::generate && !options_.has_loglikelihood) {
      response.failure = EngineFailure::unsupported;
      response.failure_message = "this engine has no log-likelihoods";
    } else {
      try {
        response = options_.answer ? options_.answer(request) : default_answer(request);
      } catch (const std::exception& e) {
        response = {};
        response.failure = EngineFailure::engine_error;
        response.failure_message = e.what();
      }
    }
    finish_answer(request, response);
    return response;
  }

  const FakeOptions& options_;
  SessionQueue queue_;
  std::atomic<int64_t> n_tokens_{0}, n_batches_{0}, busy_us_{0};
  std::thread worker_;  // last: it uses everything above
};

class FakeEngine : public Engine {
 public:
  explicit FakeEngine(FakeOptions options) : options_(std::move(options)) {
    info_.name = "fake";
    info_.version = "1";
    info_.build = "scripted";
    info_.device = "none";
    info_.can = {options_.has_loglikelihood, options_.has_loglikelihood, true, true, true, false, true};
    info_.weights.source = options_.weights_name;
    info_.weights.name = options_.weights_name;
    info_.weights.sha256 = sha256_hex("fake:" + options_.weights_name);
    info_.weights.architecture = "fake";
    info_.weights.verified = options_.weights_verified;
    info_.settings = Json::object();
    info_.max_model_len = 1 << 20;
  }

  const EngineInfo& info() const override { return info_; }

  Result<RenderedPrompt> render(const ChatPrompt& chat) const override {
    std::string text;
    for (size_t i = 0; i < chat.messages.size(); ++i) {
      const Message& message = chat.messages[i];
      text += "<|" + message.role + "|>" + message.content;
      const bool open = chat.continue_final_message && i + 1 == chat.messages.size();
      if (!open) text += "<|end|>\n";
    }
    if (!chat.continue_final_message) text += "<|assistant|>";
    return RenderedPrompt{text, {}};
  }

  // One token per byte.
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool, bool) const override {
    std::vector<TokenId> tokens;
    tokens.reserve(text.size());
    for (unsigned char byte : text) tokens.push_back(byte);
    return tokens;
  }

  Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) override {
    return std::make_unique<FakeSession>(options_, options);
  }

 private:
  FakeOptions options_;
  EngineInfo info_;
};

}  // namespace

std::unique_ptr<Engine> make_fake_engine(FakeOptions options) { return std::make_unique<FakeEngine>(std::move(options)); }

}  // namespace qeval
