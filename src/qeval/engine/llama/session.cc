#include "qeval/engine/llama/session.h"

#include <fmt/format.h>

#include <future>
#include <thread>

#include "qeval/text/unicode.h"

namespace qeval {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class LlamaSession : public EngineSession {
 public:
  LlamaSession(std::shared_ptr<const LlamaModel> model, const LlamaSessionSetup& setup, const SessionOptions& options)
      : kept_model_(std::move(model)), model_(*kept_model_), max_len_(setup.generator.max_len), queue_(options.max_pending),
        scorer_(model_, setup.scoring, queue_, options.exact, setup.max_forks),
        generator_(model_, setup.generation, queue_, options.exact, setup.generator), worker_([this] { run(); }) {}
  ~LlamaSession() override {
    queue_.stop();
    worker_.join();
  }
  // Ends the worker; whether it has ended in time.
  bool stop_within(milliseconds time) {
    queue_.stop();
    return ended_.get_future().wait_for(time) == std::future_status::ready;
  }

  Result<bool> submit(Request request) override { return queue_.submit(std::move(request)); }
  std::optional<Response> next(milliseconds timeout) override { return queue_.next(timeout); }
  void cancel(RequestId id) override { queue_.cancel(id); }
  void cancel_all() override { queue_.cancel_all(); }
  void close_input() override { queue_.close_input(); }
  bool finished() const override { return queue_.finished(); }
  SessionStats stats() const override {
    // The last responses are handed out within the step whose counts they belong to.
    if (queue_.finished()) std::lock_guard wait(step_mutex_);
    std::lock_guard lock(stats_mutex_);
    return stats_;
  }

 private:
  void run();
  void work();
  void accept(SessionQueue::Item item);
  void accept_score(SessionQueue::Item item, Response info);
  void accept_generation(SessionQueue::Item item, Response info);
  void refuse(Response info, EngineFailure failure, std::string message) {
    info.failure = failure;
    info.failure_message = std::move(message);
    queue_.complete(std::move(info));
  }
  // Text of a string or chat prompt; the response is failed where the template refuses.
  bool text_of(const Request& request, const Response& info, std::string* text);
  bool valid_tokens(const std::vector<TokenId>& tokens) const;
  void publish_stats();

  const std::shared_ptr<const LlamaModel> kept_model_;
  const LlamaModel& model_;
  const int max_len_;
  SessionQueue queue_;
  LikelihoodScorer scorer_;
  Generator generator_;
  mutable std::mutex step_mutex_;          // held by the worker while it decodes
  mutable std::mutex stats_mutex_;
  SessionStats stats_;
  std::string last_context_;               // the choices of a doc share their context: tokenised once
  std::vector<TokenId> last_context_tokens_;
  std::promise<void> ended_;
  std::thread worker_;                     // last: it uses everything above
};

void LlamaSession::run() {
  try {
    work();
  } catch (const std::exception& e) {
    const std::string message = std::string("the engine's worker stopped: ") + e.what();
    scorer_.fail_all(EngineFailure::engine_error, message);
    generator_.fail_all(EngineFailure::engine_error, message);
    queue_.die({ErrorKind::environment, message}, EngineFailure::engine_error);
  }
  ended_.set_value();
}

void LlamaSession::work() {
  uint64_t interrupts = 0;
  while (!queue_.stopped()) {
    const bool idle = scorer_.empty() && generator_.empty();
    if (idle && !queue_.wait_for_work(milliseconds(500))) break;
    // A burst of requests is best seen as a whole: prefixes are found and batches filled; and the first one's cache fits its number.
    if (idle || (generator_.empty() && scorer_.starved())) {
      const bool first = !scorer_.context().exists() && !generator_.context().exists();
      queue_.settle(milliseconds(first ? 20 : 2), milliseconds(100));
    }
    for (SessionQueue::Item& item : queue_.take(SIZE_MAX)) accept(std::move(item));
    if (queue_.interrupt_count() != interrupts) {
      interrupts = queue_.interrupt_count();
      scorer_.drop_cancelled();
      generator_.drop_cancelled();
    }
    std::lock_guard step(step_mutex_);
    if (!scorer_.empty() && (generator_.empty() || scorer_.top_priority() >= generator_.top_priority())) scorer_.step();
    else if (!generator_.empty()) generator_.step();
    publish_stats();
  }
  scorer_.drop_cancelled();  // stop() has cancelled everything
  generator_.drop_cancelled();
}

bool LlamaSession::text_of(const Request& request, const Response& info, std::string* text) {
  if (auto* plain = std::get_if<std::string>(&request.prompt)) {
    *text = *plain;
    return true;
  }
  auto rendered = render_chat(model_, std::get<ChatPrompt>(request.prompt));
  if (!rendered) {
    refuse(info, EngineFailure::unsupported, rendered.error().message);
    return false;
  }
  *text = std::move(rendered->text);
  return true;
}

bool LlamaSession::valid_tokens(const std::vector<TokenId>& tokens) const {
  for (TokenId token : tokens)
    if (token < 0 || token >= model_.n_vocab()) return false;
  return true;
}

void LlamaSession::accept(SessionQueue::Item item) {
  Response info;
  info.id = item.request.id;
  auto* tokens = std::get_if<std::vector<TokenId>>(&item.request.prompt);
  if (tokens && !valid_tokens(*tokens))
    return refuse(std::move(info), EngineFailure::unsupported, "the prompt holds token ids outside the vocabulary");
  if (item.request.kind == RequestKind::generate) accept_generation(std::move(item), std::move(info));
  else accept_score(std::move(item), std::move(info));
}

void LlamaSession::accept_score(SessionQueue::Item item, Response info) {
  const Request& request = item.request;
  const bool rolling = request.kind == RequestKind::loglikelihood_rolling;
  std::vector<TokenId> context, continuation;
  if (auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) {
    context = *tokens;
    if (!rolling) continuation = model_.encode(request.continuation, false);
  } else {
    std::string text;
    if (!text_of(request, info, &text)) return;
    if (rolling) {
      context = model_.encode(text);
    } else {
      // Whitespace at the context's end belongs to the continuation; a rendered chat ends with some.
      const std::string stripped = py_rstrip(text);
      const std::string tail = text.substr(stripped.size()) + request.continuation;
      if (stripped.empty()) {
        continuation = model_.encode(tail, false);
      } else {
        if (last_context_ != stripped) {
          last_context_ = stripped;
          last_context_tokens_ = model_.encode(stripped);
        }
        context = last_context_tokens_;
        continuation = model_.encode(stripped + tail);
        continuation.erase(continuation.begin(),
                           continuation.begin() + static_cast<std::ptrdiff_t>(std::min(context.size(), continuation.size())));
      }
    }
  }
  std::vector<ScoreJob> jobs;
  std::string why = "the text is empty";
  if (rolling) {
    info.n_new_tokens = static_cast<int>(context.size());
    jobs = rolling_jobs(context, model_.prefix_token(), max_len_);
  } else {
    if (context.empty()) {
      if (!continuation.empty() && continuation.front() == model_.prefix_token()) continuation.erase(continuation.begin());
      context = {model_.prefix_token()};
    }
    info.n_prompt_tokens = static_cast<int>(context.size());
    info.n_new_tokens = static_cast<int>(continuation.size());
    const bool too_long = static_cast<int64_t>(continuation.size()) > max_len_;
    jobs = continuation_jobs(std::move(context), continuation, max_len_, &info.truncated_prompt, &why);
    if (info.truncated_prompt) info.n_prompt_tokens = static_cast<int>(jobs[0].tokens.size()) - jobs[0].n_targets;
    if (too_long) return refuse(std::move(info), EngineFailure::context_too_long, why);
  }
  if (jobs.empty()) return refuse(std::move(info), EngineFailure::unsupported, why);
  scorer_.add(item, std::move(info), std::move(jobs));
}

void LlamaSession::accept_generation(SessionQueue::Item item, Response info) {
  const Request& request = item.request;
  std::vector<TokenId> prompt;
  if (auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) {
    prompt = *tokens;
  } else {
    std::string text;
    if (!text_of(request, info, &text)) return;
    prompt = model_.encode(text);
  }
  if (prompt.empty()) prompt = {model_.prefix_token()};
  if (request.max_new_tokens <= 0) {
    info.finish = FinishReason::length;
    info.n_prompt_tokens = static_cast<int>(prompt.size());
    queue_.complete(std::move(info));
    return;
  }
  const int room = max_len_ - request.max_new_tokens;
  if (room < 1)
    return refuse(std::move(info), EngineFailure::context_too_long,
                  fmt::format("{} new tokens leave no room for a prompt: the context holds {}", request.max_new_tokens, max_len_));
  if (static_cast<int64_t>(prompt.size()) > room) {
    prompt.erase(prompt.begin(), prompt.end() - room);
    info.truncated_prompt = true;
  }
  info.n_prompt_tokens = static_cast<int>(prompt.size());
  generator_.add(std::move(item), std::move(info), std::move(prompt));
}

void LlamaSession::publish_stats() {
  std::lock_guard lock(stats_mutex_);
  SessionStats s;
  for (const DecodeContext* context : {&scorer_.context(), &generator_.context()}) {
    s.n_decoded_tokens += context->n_tokens();
    s.n_batches += context->n_calls();
    s.n_output_rows += context->n_rows();
    s.busy_s += context->busy_s();
    s.model_bytes = std::max(s.model_bytes, context->model_bytes());  // one of two layouts is resident at a time, unless a run scores and writes at once
    s.kv_bytes += context->kv_bytes();
    s.compute_bytes += context->compute_bytes();
  }
  s.prefill_s = scorer_.context().busy_s() + generator_.prefill_s();
  s.decode_s = std::max(0.0, s.busy_s - s.prefill_s);
  s.peak_kv_cells = std::max(scorer_.peak_cells(), generator_.peak_cells());
  s.n_fill_tokens = scorer_.n_fill_tokens();
  s.n_fill_room = scorer_.n_fill_room();
  s.n_streams = generator_.n_streams();
  s.n_busy_slots = generator_.n_busy_slots();
  s.n_all_slots = generator_.n_all_slots();
  s.kv_bytes = std::max(s.kv_bytes, stats_.kv_bytes);
  s.compute_bytes = std::max(s.compute_bytes, stats_.compute_bytes);
  stats_ = s;
}

}  // namespace

Result<RenderedPrompt> render_chat(const LlamaModel& model, const ChatPrompt& chat) {
  if (!model.chat_template()) return bad_input(model.chat_template_error());
  QEVAL_TRY(std::string text, model.chat_template()->render(chat));
  return RenderedPrompt{std::move(text), {}};
}

namespace {

// llama.cpp clears gigabytes of a new cache in one call that nothing interrupts. Whoever ends the session then does not wait for
// it: the worker stays behind with all that it uses, and ends by itself.
class LeftBehind : public EngineSession {
 public:
  explicit LeftBehind(std::unique_ptr<LlamaSession> session) : session_(std::move(session)) {}
  ~LeftBehind() override {
    if (!session_->stop_within(milliseconds(250))) (void)session_.release();
  }
  Result<bool> submit(Request request) override { return session_->submit(std::move(request)); }
  std::optional<Response> next(milliseconds timeout) override { return session_->next(timeout); }
  void cancel(RequestId id) override { session_->cancel(id); }
  void cancel_all() override { session_->cancel_all(); }
  void close_input() override { session_->close_input(); }
  bool finished() const override { return session_->finished(); }
  SessionStats stats() const override { return session_->stats(); }
  std::optional<Error> died() const override { return session_->died(); }

 private:
  std::unique_ptr<LlamaSession> session_;
};

}  // namespace

std::unique_ptr<EngineSession> make_llama_session(std::shared_ptr<const LlamaModel> model, const LlamaSessionSetup& setup,
                                                  const SessionOptions& options) {
  return std::make_unique<LeftBehind>(std::make_unique<LlamaSession>(std::move(model), setup, options));
}

}  // namespace qeval
