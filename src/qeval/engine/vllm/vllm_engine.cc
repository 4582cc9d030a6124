#include "qeval/engine/vllm/vllm_engine.h"

#include <fmt/format.h>

#include <deque>
#include <map>
#include <mutex>

#include "qeval/util/clock.h"

namespace qeval {
namespace {

constexpr int kRestarts = 1;

bool may_be_the_servers_end(EngineFailure failure) {
  return failure == EngineFailure::connection || failure == EngineFailure::bad_reply || failure == EngineFailure::timeout ||
         failure == EngineFailure::engine_error;
}

class VllmEngine;

// Passes requests through and remembers them until they are answered, so that they can be asked again.
class VllmSession : public EngineSession {
 public:
  VllmSession(VllmEngine& engine, const SessionOptions& options) : engine_(engine), options_(options) {}
  Status open();

  Result<bool> submit(Request request) override;
  std::optional<Response> next(std::chrono::milliseconds timeout) override;
  void cancel(RequestId id) override {
    std::lock_guard lock(mutex_);
    if (inner_) inner_->cancel(id);
  }
  void cancel_all() override {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (inner_) inner_->cancel_all();
  }
  void close_input() override {
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (inner_) inner_->close_input();
  }
  bool finished() const override {
    std::lock_guard lock(mutex_);
    if (!inner_) return closed_ && pending_.empty() && ready_.empty();
    return ready_.empty() && pending_.empty() && (inner_->finished() || closed_);
  }
  SessionStats stats() const override {
    std::lock_guard lock(mutex_);
    SessionStats out = before_;
    if (inner_) add(out, inner_->stats());
    return out;
  }

 private:
  static void add(SessionStats& sum, const SessionStats& s) {
    sum.n_decoded_tokens += s.n_decoded_tokens;
    sum.n_batches += s.n_batches;
    sum.n_output_rows += s.n_output_rows;
    sum.busy_s += s.busy_s;
    sum.prefill_s += s.prefill_s;
    sum.decode_s += s.decode_s;
    sum.peak_kv_cells = std::max(sum.peak_kv_cells, s.peak_kv_cells);
    sum.model_bytes = std::max(sum.model_bytes, s.model_bytes);
    sum.kv_bytes = std::max(sum.kv_bytes, s.kv_bytes);
    sum.compute_bytes = std::max(sum.compute_bytes, s.compute_bytes);
  }
  void recover();
  void fail_all(const std::string& why);

  VllmEngine& engine_;
  SessionOptions options_;
  mutable std::mutex mutex_;
  std::unique_ptr<EngineSession> inner_;
  std::map<RequestId, Request> pending_;
  std::deque<Response> ready_;
  SessionStats before_;  // of sessions whose server died
  bool closed_ = false, cancelled_ = false;
};

class VllmEngine : public Engine {
 public:
  static Result<std::unique_ptr<Engine>> start(const VllmOptions& options) {
    auto engine = std::make_unique<VllmEngine>(options);
    QEVAL_TRY(engine->server_, VllmServer::start(options.server));
    QEVAL_CHECK(engine->connect());
    return std::unique_ptr<Engine>(std::move(engine));
  }
  explicit VllmEngine(const VllmOptions& options) : options_(options) {}

  const EngineInfo& info() const override { return info_; }
  Result<RenderedPrompt> render(const ChatPrompt& chat) const override {
    return inner_->render(chat);
  }
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool add_special, bool parse_special) const override {
    return inner_->tokenize(text, add_special, parse_special);
  }
  Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) override {
    auto session = std::make_unique<VllmSession>(*this, options);
    QEVAL_CHECK(session->open());
    return std::unique_ptr<EngineSession>(std::move(session));
  }

  Status connect() {
    inner_.reset();
    QEVAL_TRY(inner_, options_.connect(server_->base_url(), options_.server.command.served_name));
    describe();
    return {};
  }
  // Error: why there is no server any more.
  Status restart() {
    std::string why = server_->last_words();
    if (n_restarts_ >= kRestarts) return fail(ErrorKind::environment, why + "; it was already started again once");
    ++n_restarts_;
    if (options_.server.note) options_.server.note(why + "; starting it once more, unanswered requests are asked again");
    QEVAL_CHECK(server_->restart());
    return connect();
  }
  bool server_alive() { return server_->alive(); }
  // Dead, or without an engine behind its address and so about to end.
  bool server_is_ending() { return !server_->alive() || !server_->healthy(); }
  Engine& inner() { return *inner_; }

 private:
  void describe() {
    const VllmCommand& command = server_->command();
    const EngineInfo& inner = inner_->info();
    info_ = inner;
    info_.name = "vllm";
    info_.version = options_.server.command.install.version_text;
    info_.build = options_.server.command.install.cpu_build ? "cpu" : "gpu";
    info_.device = options_.device;
    info_.weights = options_.weights;
    info_.settings = command.settings;
    if (inner.settings.is_object())
      for (const auto& [key, value] : inner.settings.items())
        if (!key.starts_with("base_url") && key != "model" && !info_.settings.contains(key)) info_.settings[key] = value;
    info_.max_model_len = command.max_model_len;
    info_.max_concurrency = options_.server.command.preset.max_num_seqs;
    info_.metrics_urls = {server_->base_url() + "/metrics"};
    info_.server_groups.clear();
    if (server_->adopted()) info_.server_groups.push_back(server_->pid());
    info_.notes.insert(info_.notes.begin(), command.notes.begin(), command.notes.end());
    const StartLog& log = server_->log();
    if (log.kv_cache_tokens) {
      std::string fact = fmt::format("vLLM's KV cache holds {} tokens", *log.kv_cache_tokens);
      if (log.max_concurrency) fact += fmt::format(": {:.1f} requests of {} tokens at a time", *log.max_concurrency, command.max_model_len);
      if (log.max_concurrency && *log.max_concurrency < info_.max_concurrency)
        fact += fmt::format(", fewer than max_num_seqs {}", info_.max_concurrency);
      info_.notes.push_back(fact);
    }
  }

  VllmOptions options_;
  std::unique_ptr<VllmServer> server_;  // outlives inner_
  std::unique_ptr<Engine> inner_;
  EngineInfo info_;
  int n_restarts_ = 0;
};

Status VllmSession::open() {
  QEVAL_TRY(inner_, engine_.inner().open_session(options_));
  return {};
}

Result<bool> VllmSession::submit(Request request) {
  std::lock_guard lock(mutex_);
  if (!inner_) {  // the server is gone for good: every request still gets its response
    pending_[request.id] = request;
    fail_all("vLLM is gone");
    return true;
  }
  auto accepted = inner_->submit(request);
  if (accepted && *accepted) pending_[request.id] = std::move(request);
  if (!accepted && !engine_.server_alive()) {
    pending_[request.id] = std::move(request);
    recover();
    return true;
  }
  return accepted;
}

std::optional<Response> VllmSession::next(std::chrono::milliseconds timeout) {
  EngineSession* inner = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (ready_.empty() && inner_ && !pending_.empty() && !cancelled_ && !engine_.server_alive()) recover();
    if (!ready_.empty()) {
      Response r = std::move(ready_.front());
      ready_.pop_front();
      return r;
    }
    inner = inner_.get();
  }
  if (!inner) return std::nullopt;
  auto response = inner->next(timeout);
  if (!response) return response;
  std::lock_guard lock(mutex_);
  // What failed because the server died is asked again, not handed out.
  if (may_be_the_servers_end(response->failure) && !cancelled_ && pending_.contains(response->id) && engine_.server_is_ending()) {
    recover();
    return std::nullopt;
  }
  pending_.erase(response->id);
  return response;
}

// Answers that the dead server's session still holds are taken first, so that nothing is asked twice.
void VllmSession::recover() {
  while (auto response = inner_->next(std::chrono::milliseconds(0))) {
    if (response->failure != EngineFailure::none || response->finish == FinishReason::cancelled) continue;
    pending_.erase(response->id);
    ready_.push_back(std::move(*response));
  }
  add(before_, inner_->stats());
  inner_->cancel_all();
  inner_.reset();
  if (auto restarted = engine_.restart(); !restarted) return fail_all(restarted.error().message);
  auto session = engine_.inner().open_session(options_);
  if (!session) return fail_all(session.error().message);
  inner_ = std::move(*session);
  for (auto it = pending_.begin(); it != pending_.end();) {
    auto accepted = inner_->submit(it->second);
    if (!accepted) return fail_all(accepted.error().message);
    if (*accepted) {
      ++it;
    } else if (auto response = inner_->next(std::chrono::milliseconds(100))) {  // full: make room
      pending_.erase(response->id);
      ready_.push_back(std::move(*response));
    }
  }
  if (closed_) inner_->close_input();
}

void VllmSession::fail_all(const std::string& why) {
  for (auto& [id, request] : pending_) {
    Response r;
    r.id = id;
    r.finish = FinishReason::failed;
    r.failure = EngineFailure::connection;
    r.failure_message = why;
    ready_.push_back(std::move(r));
  }
  pending_.clear();
  inner_.reset();
}

}  // namespace

Result<std::unique_ptr<Engine>> start_vllm_engine(const VllmOptions& options) { return VllmEngine::start(options); }

}  // namespace qeval
