#include "qeval/scorer/judged.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "qeval/core/reasoning.h"
#include "qeval/scorer/answer.h"
#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

// \d+\.?\d* at `at`, followed by `close`.
std::optional<double> number_before(std::string_view text, size_t at, std::string_view close) {
  size_t end = at;
  while (end < text.size() && is_ascii_digit(text[end])) ++end;
  if (end == at) return std::nullopt;
  if (end < text.size() && text[end] == '.') ++end;
  while (end < text.size() && is_ascii_digit(text[end])) ++end;
  if (text.compare(end, close.size(), close) != 0) return std::nullopt;
  double value = 0;
  auto parsed = std::from_chars(text.data() + at, text.data() + end, value);
  if (parsed.ec != std::errc()) return std::nullopt;  // more digits than a number can hold
  return value;
}

std::optional<double> first_number(std::string_view text, std::string_view open, std::string_view close) {
  size_t next = 0;
  for (size_t at; (at = text.find(open, next)) != std::string_view::npos; next = at + 1)
    if (auto value = number_before(text, at + open.size(), close)) return value;
  return std::nullopt;
}

}  // namespace

std::optional<double> parse_rating(std::string_view text) {
  if (auto value = first_number(text, "[[", "]]")) return value;
  return first_number(text, "[", "]");
}

Preference parse_preference(std::string_view text) {
  if (text.find("[[A]]") != std::string_view::npos) return Preference::first;
  if (text.find("[[B]]") != std::string_view::npos) return Preference::second;
  return text.find("[[C]]") != std::string_view::npos ? Preference::tie : Preference::none;
}

std::vector<std::string> answers_by_turn(const Sample& sample, const std::vector<Response>& responses, int repeat,
                                         const ScoringSpec& scoring) {
  std::vector<std::string> out;
  for (size_t i = 0; i < sample.requests.size() && i < responses.size(); ++i)
    if (sample.requests[i].repeat == repeat)
      out.push_back(after_reasoning(valid_utf8(responses[i].text), scoring.think_end_token));
  return out;
}

Score judgement_score(const Sample& sample, const Response& response, const ScoringSpec& scoring) {
  Score out;
  Answer answer = prepare_answer(response, scoring, sample);
  std::string text = after_reasoning(answer.text, scoring.think_end_token);
  bool readable = false;
  if (json_string(scoring.scorer_options, "reads") == "rating") {
    auto rating = parse_rating(text);
    readable = rating && *rating >= 0 && *rating <= 10;
    if (readable) {
      out.extracted = fmt::format("{:g}", *rating);
      out.metrics.emplace_back("given", *rating);
    } else if (rating) {
      out.explanation = fmt::format("{:g} is no rating from 1 to 10", *rating);
    }
  } else {
    Preference preference = parse_preference(text);
    readable = preference != Preference::none;
    if (readable) out.extracted = preference == Preference::first ? "A" : preference == Preference::second ? "B" : "C";
  }
  out.metrics.emplace_back("readable", readable ? 1 : 0);
  out.failure_class = readable                     ? FailureClass::correct
                      : answer.unfinished_thinking ? FailureClass::unfinished_thinking
                      : answer.cut_by_length       ? FailureClass::truncated
                                                   : FailureClass::no_rating;
  return out;
}

Score unjudged_score(const Sample& sample, const std::vector<Response>& responses, const ScoringSpec& scoring) {
  Score out;
  out.failure_class = FailureClass::not_judged;
  if (!responses.empty()) out.extracted = valid_utf8(responses.back().text);
  std::string turns;
  FailureClass form = FailureClass::not_judged;
  for (size_t i = 0; i < responses.size(); ++i) {
    Answer answer = prepare_answer(responses[i], scoring, sample);
    FailureClass found = answer.unfinished_thinking      ? FailureClass::unfinished_thinking
                         : answer.cut_by_length          ? FailureClass::truncated
                         : is_blank(answer.text)         ? FailureClass::empty_or_refusal
                                                         : FailureClass::not_judged;
    if (found == FailureClass::not_judged) continue;
    form = found;
    turns += fmt::format("{}{}", turns.empty() ? "answer " : ", ", i + 1);
  }
  if (form != FailureClass::not_judged) {
    out.failure_class = form;
    out.explanation = turns + ": " + to_string(form);
  }
  return out;
}

}  // namespace qeval
