#include <fmt/format.h>

#include <algorithm>

#include "qeval/engine/openai/context_cache.h"
#include "qeval/engine/openai/job.h"
#include "qeval/engine/score_windows.h"
#include "qeval/engine/tokenizer.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr int kTopOfVllm = 20;             // its default --max-logprobs
constexpr int kTopOfLlamaServer = 2000;    // no limit of its own
constexpr size_t kMaxBytes = size_t{256} << 20;

// Log-likelihoods: tokens of context and continuation, then the server's log-probabilities of them. A continuation of
// one token is read off the most likely next tokens where it is among them, which may use the server's prefix cache.
class LikelihoodJob : public Job {
 public:
  LikelihoodJob(SessionQueue::Item request, JobContext& context) : Job(std::move(request)), context_(context) {
    rolling_ = item.request.kind == RequestKind::loglikelihood_rolling;
    response.is_greedy = true;
  }

  std::optional<HttpQuestion> question() override;
  bool on_data(std::string_view bytes) override {
    body_.append(bytes);
    return body_.size() <= kMaxBytes;
  }
  std::optional<Verdict> on_answer(const HttpEnd& end) override;
  bool done() const override { return step_ == Step::done; }

 private:
  enum class Step { start, tokenize_whole, tokenize_context, top, echo, done };
  bool take_texts();                       // false: refused, `response` says why
  std::optional<HttpQuestion> tokenize(const std::string& text);
  void plan();                             // windows, from both token lists
  void refuse(EngineFailure failure, std::string why);
  std::optional<Verdict> take_tokens(const Json& body);
  void take_echo(const EchoLogprobs& echo);
  bool take_top(const std::vector<TokenLogprob>& top);
  void next_window();
  bool advance();                          // to the next step that needs the server; false: refused or done

  JobContext& context_;
  bool rolling_;
  Step step_ = Step::start;
  std::string context_text_, whole_text_, body_;
  std::vector<TokenId> context_tokens_, whole_tokens_;
  std::vector<ScoreWindow> windows_;
  size_t window_ = 0;
  bool refused_ = false;
};

void LikelihoodJob::refuse(EngineFailure failure, std::string why) {
  response.finish = FinishReason::failed;
  response.failure = failure;
  response.failure_message = std::move(why);
  refused_ = true;
  step_ = Step::done;
}

bool LikelihoodJob::take_texts() {
  const Request& request = item.request;
  if (auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) {
    if (!rolling_) {
      refuse(EngineFailure::unsupported, "a log-likelihood after a prompt of token ids is not supported by this engine");
      return false;
    }
    whole_tokens_ = *tokens;
    return true;
  }
  if (std::holds_alternative<ChatPrompt>(request.prompt)) {
    refuse(EngineFailure::unsupported, "a log-likelihood needs its prompt as text");
    return false;
  }
  const auto& text = std::get<std::string>(request.prompt);
  if (rolling_) {
    whole_text_ = text;
    return true;
  }
  // Whitespace at the context's end belongs to the continuation; a rendered chat ends with some.
  context_text_ = py_rstrip(text);
  whole_text_ = text + request.continuation;
  return true;
}

std::optional<HttpQuestion> LikelihoodJob::tokenize(const std::string& text) {
  // A continuation alone has no beginning of text.
  const bool special = rolling_ || !context_text_.empty();
  return tokenize_question(text, special, true, context_.body);
}

bool LikelihoodJob::advance() {
  while (true) {
    switch (step_) {
      case Step::start:
        if (!take_texts()) return false;
        step_ = whole_tokens_.empty() ? Step::tokenize_whole : Step::tokenize_context;
        break;
      case Step::tokenize_whole:
        if (!context_.tokenizer) return true;
        if (auto tokens = context_.tokenizer->encode(whole_text_, rolling_ || !context_text_.empty(), true)) whole_tokens_ = std::move(*tokens);
        step_ = Step::tokenize_context;
        break;
      case Step::tokenize_context:
        if (!rolling_ && !context_text_.empty()) {
          ContextCache::Entry& entry = context_.contexts->at(context_text_);
          if (!entry.has_tokens) {
            if (!context_.tokenizer) return true;
            if (auto tokens = context_.tokenizer->encode(context_text_, true, true)) entry.tokens = std::move(*tokens);
            entry.has_tokens = true;
          }
          context_tokens_ = entry.tokens;
        }
        plan();
        if (refused_) return false;
        break;
      case Step::top: {
        ContextCache::Entry& entry = context_.contexts->at(context_text_);
        if (!entry.has_top || context_text_.empty()) return true;
        if (!take_top(entry.top)) next_window();
        if (refused_) return false;
        break;
      }
      case Step::echo: return true;
      case Step::done: return false;
    }
  }
}

std::optional<HttpQuestion> LikelihoodJob::question() {
  body_.clear();
  if (!advance()) return std::nullopt;
  const ScoreWindow* window = window_ < windows_.size() ? &windows_[window_] : nullptr;
  switch (step_) {
    case Step::tokenize_whole: return tokenize(whole_text_);
    case Step::tokenize_context: return tokenize(context_text_);
    case Step::top: {
      std::vector<TokenId> context(window->tokens.begin(), window->tokens.end() - 1);
      return top_tokens_question(context, context_.body.kind == ServerKind::llama_server ? kTopOfLlamaServer : kTopOfVllm, context_.body);
    }
    default: return echo_question(window->tokens, context_.body);
  }
}

void LikelihoodJob::plan() {
  // The server has to take a whole window as its prompt.
  const int max_len = context_.max_model_len > 2 ? context_.max_model_len - 2 : 1 << 30;
  std::string why = "the text is empty";
  if (rolling_) {
    response.n_new_tokens = static_cast<int>(whole_tokens_.size());
    if (!context_.prefix_token) return refuse(EngineFailure::unsupported, "the server names no token that begins a text");
    windows_ = rolling_windows(whole_tokens_, *context_.prefix_token, max_len);
  } else {
    std::vector<TokenId> continuation(whole_tokens_.begin() + static_cast<std::ptrdiff_t>(std::min(context_tokens_.size(), whole_tokens_.size())),
                                      whole_tokens_.end());
    if (context_tokens_.empty()) {
      if (!context_.prefix_token) return refuse(EngineFailure::unsupported, "the server names no token that stands in for an empty context");
      if (!continuation.empty() && continuation.front() == *context_.prefix_token) continuation.erase(continuation.begin());
      context_tokens_ = {*context_.prefix_token};
    }
    response.n_prompt_tokens = static_cast<int>(context_tokens_.size());
    response.n_new_tokens = static_cast<int>(continuation.size());
    windows_ = continuation_windows(context_tokens_, continuation, max_len, &response.truncated_prompt, &why);
    if (windows_.empty() && static_cast<int64_t>(continuation.size()) > max_len) return refuse(EngineFailure::context_too_long, why);
  }
  if (windows_.empty()) return refuse(EngineFailure::unsupported, why);
  const bool single = !rolling_ && windows_[0].n_targets == 1 && !item.request.want_token_logprobs;
  step_ = single && context_.top_tokens ? Step::top : Step::echo;
  if (step_ == Step::echo && !context_.echo)
    refuse(EngineFailure::unsupported, "this server gives no log-probabilities of a prompt, so it cannot score a continuation of several tokens");
}

std::optional<Verdict> LikelihoodJob::take_tokens(const Json& body) {
  auto bad = [](std::string why) { return Verdict{Action::retry, EngineFailure::bad_reply, std::move(why)}; };
  if (!body.is_object() || !body.contains("tokens") || !body["tokens"].is_array()) return bad("/tokenize gave no list of tokens");
  std::vector<TokenId> tokens;
  for (const Json& token : body["tokens"]) {
    if (!token.is_number_integer()) return bad("/tokenize gave something that is no token id");
    tokens.push_back(token.get<TokenId>());
  }
  if (step_ == Step::tokenize_whole) {
    whole_tokens_ = std::move(tokens);
    step_ = Step::tokenize_context;
  } else {
    ContextCache::Entry& entry = context_.contexts->at(context_text_);
    entry.tokens = std::move(tokens);
    entry.has_tokens = true;
  }
  return std::nullopt;
}

void LikelihoodJob::next_window() {
  // Not among the most likely tokens: the exact way where there is one.
  if (context_.echo) step_ = Step::echo;
  else refuse(EngineFailure::unsupported, fmt::format("the continuation is not among the {} tokens that this server shows", kTopOfLlamaServer));
}

bool LikelihoodJob::take_top(const std::vector<TokenLogprob>& top) {
  const TokenId wanted = windows_[0].tokens.back();
  double best = top.front().logprob_nats;
  const TokenLogprob* found = nullptr;
  for (const TokenLogprob& item_of_top : top) {
    best = std::max(best, item_of_top.logprob_nats);
    if (item_of_top.token == wanted) found = &item_of_top;
  }
  if (!found) return false;
  response.logprob_nats = found->logprob_nats;
  response.is_greedy = found->logprob_nats >= best;
  response.finish = FinishReason::scored;
  step_ = Step::done;
  return true;
}

void LikelihoodJob::take_echo(const EchoLogprobs& echo) {
  const ScoreWindow& window = windows_[window_];
  for (size_t i = window.tokens.size() - static_cast<size_t>(window.n_targets); i < window.tokens.size(); ++i) {
    response.logprob_nats += echo.logprob_nats[i];
    response.is_greedy = response.is_greedy && echo.is_top[i];
    if (item.request.want_token_logprobs) response.token_logprobs.push_back({window.tokens[i], echo.logprob_nats[i]});
  }
  if (++window_ < windows_.size()) return;
  response.finish = FinishReason::scored;
  step_ = Step::done;
}

std::optional<Verdict> LikelihoodJob::on_answer(const HttpEnd& end) {
  if (end.fault == HttpFault::cut) return Verdict{Action::retry, EngineFailure::connection, "the answer was cut: " + end.message};
  auto bad = [](const std::string& why) { return Verdict{Action::retry, EngineFailure::bad_reply, why}; };
  if (body_.size() > kMaxBytes) return bad("the answer is too large");
  auto json = parse_json(body_, 64);
  if (!json) return bad("the answer is not JSON");
  if (auto error = server_error_of(*json)) return judge_error(*error, error->status > 0 ? error->status : 500);
  switch (step_) {
    case Step::tokenize_whole:
    case Step::tokenize_context: return take_tokens(*json);
    case Step::top: {
      auto top = read_top_tokens(*json);
      if (!top) return bad(top.error().message);
      ContextCache::Entry& entry = context_.contexts->at(context_text_);
      if (!context_text_.empty()) {
        entry.top = *top;
        entry.has_top = true;
      }
      if (!take_top(*top)) next_window();
      return std::nullopt;
    }
    default: {
      auto echo = read_echo(*json, windows_[window_].tokens);
      if (!echo) return bad(echo.error().message);
      take_echo(*echo);
      return std::nullopt;
    }
  }
}

}  // namespace

std::unique_ptr<Job> make_likelihood_job(SessionQueue::Item item, JobContext& context) {
  return std::make_unique<LikelihoodJob>(std::move(item), context);
}

}  // namespace qeval
