#include "qeval/scorer/answer.h"

#include <algorithm>
#include <array>

#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr std::string_view kThinkStart = "<think>";
constexpr std::string_view kThinkEnd = "</think>";

bool ends_with_think_start(std::string_view prompt) {
  size_t end = prompt.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return false;
  prompt = prompt.substr(0, end + 1);
  return prompt.size() >= kThinkStart.size() && prompt.substr(prompt.size() - kThinkStart.size()) == kThinkStart;
}

// Whether the prompt says that the answer begins inside the thinking part.
bool thinking_was_opened(const Sample& sample) {
  if (sample.requests.empty()) return false;
  const Prompt& prompt = sample.requests[0].prompt;
  if (const auto* chat = std::get_if<ChatPrompt>(&prompt)) return chat->enable_thinking.value_or(false);
  const auto* text = std::get_if<std::string>(&prompt);
  return text && ends_with_think_start(*text);
}

bool thinking_is_off(const Sample& sample) {
  const auto* chat = sample.requests.empty() ? nullptr : std::get_if<ChatPrompt>(&sample.requests[0].prompt);
  return chat && chat->enable_thinking && !*chat->enable_thinking;
}

// Reasoning without its end. A model that thinks unasked shows the start token or, cut by the limit, nothing else.
bool left_thinking_open(std::string_view text, const std::string& end_token, bool cut_by_length, const Sample& sample) {
  std::string_view end = end_token.empty() ? kThinkEnd : std::string_view(end_token);
  size_t start = text.rfind(kThinkStart), stop = text.rfind(end);
  if (start != std::string_view::npos) return stop == std::string_view::npos || stop < start;
  if (stop != std::string_view::npos) return false;
  if (thinking_was_opened(sample)) return true;
  return !end_token.empty() && cut_by_length && !thinking_is_off(sample);
}

}  // namespace

Answer prepare_answer(const Response& response, const ScoringSpec& scoring, const Sample& sample) {
  Answer out;
  out.cut_by_length = response.finish == FinishReason::length;
  out.cut_by_stop = response.finish == FinishReason::stop_string;
  out.text = valid_utf8(response.text);
  out.unfinished_thinking = left_thinking_open(out.text, scoring.think_end_token, out.cut_by_length, sample);
  if (!scoring.think_end_token.empty()) {
    size_t at = out.text.rfind(scoring.think_end_token);
    if (at != std::string::npos) out.text.erase(0, at + scoring.think_end_token.size());
    // lm-eval strips the left side whether or not the token was there.
    out.text = py_lstrip(out.text);
  }
  for (const std::string& stop : scoring.until) {
    size_t at = stop.empty() ? std::string::npos : out.text.find(stop);
    if (at == std::string::npos) continue;
    out.text.resize(at);
    out.cut_by_stop = true;
    out.cut_by_length = false;
  }
  return out;
}

std::string engine_fault(const std::vector<Response>& responses) {
  for (const Response& response : responses) {
    if (response.finish != FinishReason::failed && response.finish != FinishReason::cancelled) continue;
    std::string reason =
        response.failure == EngineFailure::none ? to_string(response.finish) : to_string(response.failure);
    return response.failure_message.empty() ? reason : reason + ": " + response.failure_message;
  }
  return "";
}

bool is_refusal(std::string_view text) {
  constexpr std::array<std::string_view, 11> openings = {
      "i'm sorry",   "i am sorry", "sorry,",   "i can't",     "i cannot",          "i can not",
      "i am unable", "i'm unable", "as an ai", "i apologize", "unfortunately, i c"};
  std::string head = lower_ascii(text.substr(0, 200));
  for (size_t at; (at = head.find("\xE2\x80\x99")) != std::string::npos;) head.replace(at, 3, "'");
  size_t begin = head.find_first_not_of(" \t\r\n\"'*");
  if (begin == std::string::npos) return false;
  return std::any_of(openings.begin(), openings.end(),
                     [&](std::string_view opening) { return head.compare(begin, opening.size(), opening) == 0; });
}

bool is_blank(std::string_view text) { return py_strip(text).empty(); }

}  // namespace qeval
