#include <fmt/format.h>

#include <algorithm>

#include "qeval/engine/openai/job.h"
#include "qeval/engine/openai/sse_parser.h"
#include "qeval/engine/stop_strings.h"

namespace qeval {
namespace {

constexpr int kEnoughCountChecks = 8;
constexpr int kConvincing = 4;  // attempts with the same text: what came twice each time would be no accident

class GenerateJob : public Job {
 public:
  GenerateJob(SessionQueue::Item request, JobContext& context) : Job(std::move(request)), context_(context) {
    const auto new_tokens = static_cast<size_t>(std::clamp(item.request.max_new_tokens, 1, 1 << 17));
    // A chunk of a stream is some hundred bytes of envelope around a token, more with log-probabilities.
    max_bytes_ = (size_t{1} << 20) + new_tokens * 8192;
    limits_.max_text_bytes = (size_t{1} << 18) + new_tokens * 256;
  }

  std::optional<HttpQuestion> question() override;
  bool on_data(std::string_view bytes) override;
  std::optional<Verdict> on_answer(const HttpEnd& end) override;
  bool done() const override { return done_; }

 private:
  enum class Form { unknown, stream, whole };
  bool on_event(std::string_view data);
  std::optional<Verdict> whole_answer(const HttpEnd& end);
  std::optional<Verdict> check_counts();
  void fill_response();
  static Verdict bad(std::string message) { return {Action::retry, EngineFailure::bad_reply, std::move(message)}; }

  JobContext& context_;
  size_t max_bytes_;
  Reply::Limits limits_;
  Form form_ = Form::unknown;
  Reply reply_;
  SseParser sse_;
  StopScanner stops_;
  std::optional<StopScanner::Hit> hit_;
  std::string body_;
  size_t n_bytes_ = 0;
  bool end_mark_ = false, too_large_ = false, malformed_ = false, done_ = false;
  std::string doubted_text_;  // came with an impossible token count
  int n_doubted_ = 0;         // so many times in a row
};

std::optional<HttpQuestion> GenerateJob::question() {
  if (item.request.max_new_tokens <= 0) {
    response.finish = FinishReason::length;
    return std::nullopt;
  }
  form_ = Form::unknown;
  reply_ = Reply(limits_);
  sse_ = SseParser();
  stops_ = StopScanner(item.request.until);
  hit_.reset();
  body_.clear();
  n_bytes_ = 0;
  end_mark_ = too_large_ = malformed_ = false;
  response.token_times_s.clear();
  response.first_token_s = 0;
  return generation_question(item.request, context_.body);
}

bool GenerateJob::on_data(std::string_view bytes) {
  n_bytes_ += bytes.size();
  if (n_bytes_ > max_bytes_) {
    too_large_ = true;
    return false;
  }
  if (form_ == Form::unknown) {
    const size_t first = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    if (first == std::string_view::npos) return true;
    form_ = bytes[first] == '{' || bytes[first] == '<' ? Form::whole : Form::stream;
  }
  if (form_ == Form::whole) {
    body_.append(bytes);
    return true;
  }
  const bool go_on = sse_.feed(bytes, [this](std::string_view data) { return on_event(data); });
  too_large_ = too_large_ || sse_.broken();
  return go_on;
}

bool GenerateJob::on_event(std::string_view data) {
  if (data == "[DONE]") {
    end_mark_ = true;
    return true;
  }
  switch (reply_.add(data)) {
    case Reply::Piece::malformed: malformed_ = true; return false;
    case Reply::Piece::too_large: too_large_ = true; return false;
    case Reply::Piece::nothing: return true;
    case Reply::Piece::token: break;
  }
  const auto at = static_cast<float>(seconds_since(item.submitted));
  if (response.token_times_s.empty()) response.first_token_s = at;
  response.token_times_s.push_back(at);
  hit_ = stops_.scan(reply_.content());
  return !hit_;
}

std::optional<Verdict> GenerateJob::whole_answer(const HttpEnd& end) {
  if (end.content_type.find("json") == std::string::npos && !body_.empty() && body_.find_first_not_of(" \t\r\n") != std::string::npos &&
      body_[body_.find_first_not_of(" \t\r\n")] != '{')
    return bad(fmt::format("an answer of type '{}' came in place of a completion", end.content_type.substr(0, 80)));
  switch (reply_.add(std::string_view(body_))) {
    case Reply::Piece::malformed: return bad("the answer is not JSON");
    case Reply::Piece::too_large: return bad("the answer is larger than its token limit allows");
    default: break;
  }
  hit_ = stops_.scan(reply_.content());
  return std::nullopt;
}

std::optional<Verdict> GenerateJob::on_answer(const HttpEnd& end) {
  if (too_large_) return bad(fmt::format("the answer is larger than {} tokens can be", item.request.max_new_tokens));
  if (malformed_) return bad("the stream holds something that is not JSON");
  if (form_ == Form::whole && end.fault != HttpFault::cut)
    if (auto verdict = whole_answer(end)) return verdict;
  if (reply_.error()) return judge_error(*reply_.error(), reply_.error()->status > 0 ? reply_.error()->status : 500);
  if (!hit_ && !reply_.finished()) {
    if (end.fault == HttpFault::cut) return Verdict{Action::retry, EngineFailure::connection, "the answer was cut: " + end.message};
    if (form_ == Form::unknown) return bad("an empty answer came");
    if (sse_.saw_foreign_line()) return bad(fmt::format("an answer of type '{}' came in place of an event stream", end.content_type.substr(0, 80)));
    if (!reply_.saw_choice()) return bad("the answer holds no choice");
    return bad("the stream ended before the answer did");
  }
  if (auto verdict = check_counts()) return verdict;
  fill_response();
  done_ = true;
  return std::nullopt;
}

// A stream with more pieces than tokens holds something twice, or the server counts wrong. The same text from several
// attempts settles it; a server that always counts so is taken as it is.
std::optional<Verdict> GenerateJob::check_counts() {
  if (reply_.n_new_tokens() < 0 || form_ != Form::stream) return std::nullopt;
  const auto* chat = std::get_if<ChatPrompt>(&item.request.prompt);
  if (chat && !chat->tools.is_null()) return std::nullopt;  // one token may show as several pieces of a call
  ++context_.n_count_checks;
  if (reply_.n_chunks() <= reply_.n_new_tokens()) return std::nullopt;
  ++context_.n_count_faults;
  if (context_.n_count_checks >= kEnoughCountChecks && 2 * context_.n_count_faults > context_.n_count_checks) return std::nullopt;
  n_doubted_ = n_doubted_ > 0 && doubted_text_ == reply_.content() ? n_doubted_ + 1 : 1;
  if (n_doubted_ >= kConvincing) return std::nullopt;
  doubted_text_ = reply_.content();
  return bad(fmt::format("{} pieces of text came for {} tokens: something came twice", reply_.n_chunks(), reply_.n_new_tokens()));
}

void GenerateJob::fill_response() {
  response.text = reply_.text();
  if (hit_) {
    response.text.resize(response.text.size() - reply_.content().size() + hit_->position);
    response.stop_string = hit_->stop;
    response.finish = FinishReason::stop_string;
  } else if (reply_.finish_reason() == "length") {
    response.finish = FinishReason::length;
  } else {
    const auto& until = item.request.until;
    const bool named = std::find(until.begin(), until.end(), reply_.stop_string()) != until.end();
    response.finish = named ? FinishReason::stop_string : FinishReason::end_of_turn;
    if (named) response.stop_string = reply_.stop_string();
  }
  const int64_t said = reply_.n_new_tokens();
  const bool possible = said >= reply_.n_chunks() && said <= int64_t{item.request.max_new_tokens} + 1;
  response.n_new_tokens = possible ? static_cast<int>(said) : reply_.n_chunks();
  response.n_prompt_tokens = static_cast<int>(std::max<int64_t>(0, reply_.n_prompt_tokens()));
  response.n_cached_tokens = static_cast<int>(std::clamp<int64_t>(reply_.n_cached_tokens(), 0, response.n_prompt_tokens));
  if (item.request.want_token_logprobs) response.token_logprobs = reply_.logprobs();
}

}  // namespace

std::unique_ptr<Job> make_generate_job(SessionQueue::Item item, JobContext& context) {
  return std::make_unique<GenerateJob>(std::move(item), context);
}

}  // namespace qeval
