#include "qeval/agent/verdict.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval::agent {
namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (static_cast<unsigned char>(c) & 0x80) != 0; }

std::string plain(const std::string& text) {
  std::string lower = py_lower(text), out;
  const std::string typographic = "\xE2\x80\x99";
  size_t at = 0;
  for (size_t hit; (hit = lower.find(typographic, at)) != std::string::npos; at = hit + typographic.size()) out += lower.substr(at, hit - at) + "'";
  return out + lower.substr(at);
}

// The text around [at, at + n) does not continue it.
bool stands_alone(const std::string& text, size_t at, size_t n) {
  if (at > 0 && is_word(text[at])) {
    char before = text[at - 1];
    if (is_word(before)) return false;
    bool joins = before == '.' || before == ',';
    if (is_ascii_digit(text[at]) && joins && at > 1 && is_ascii_digit(text[at - 2])) return false;
    if (is_ascii_digit(text[at]) && before == '-' && (at == 1 || !is_word(text[at - 2]))) return false;  // a negative number
  }
  size_t end = at + n;
  if (end < text.size() && is_word(text[end - 1])) {
    char after = text[end];
    if (is_word(after)) return false;
    bool joins = after == '.' || after == ',';
    if (is_ascii_digit(text[end - 1]) && joins && end + 1 < text.size() && is_ascii_digit(text[end + 1])) return false;
  }
  return true;
}

std::string shown(const Json& value) { return quote(value.is_string() ? value.get<std::string>() : dump_json(value).substr(0, 200)); }

std::string difference_of_text(const Json& parts, const Json& actual) {
  if (!actual.is_string()) return fmt::format(": a text was expected, not {}", shown(actual));
  for (const Json& part : parts)
    if (!says(actual.get<std::string>(), part.get<std::string>())) return fmt::format(": {} does not say {}", shown(actual), shown(part));
  return "";
}

std::string difference_of_objects(const Json& expected, const Json& actual) {
  for (const auto& [key, value] : expected.items()) {
    if (!actual.contains(key)) return fmt::format("/{}: is missing", quote(key));
    if (std::string inside = state_difference(value, actual[key]); !inside.empty()) return "/" + key + inside;
  }
  for (const auto& [key, value] : actual.items())
    if (!expected.contains(key)) return fmt::format("/{}: must not be there", quote(key));
  return "";
}

bool covers(const Json& arguments, const Json& rule) {
  for (const auto& [key, value] : rule.items())
    if (!arguments.is_object() || !arguments.contains(key) || arguments[key] != value) return false;
  return true;
}

std::string forbidden_write(const Json& doc, const EpisodeLog& log) {
  for (const ExecutedCall& call : log.calls) {
    if (!call.error_code.empty()) continue;
    if (call.changed && json_bool(doc, "ask_first") && call.before_answer)
      return fmt::format("{} changed something before the user was asked", call.name);
    for (const Json& rule : doc.value("forbidden", Json::array()))
      if (rule["tool"] == call.name && covers(call.arguments, rule["arguments"]))
        return fmt::format("{}({}) must not be done", call.name, quote(dump_json(call.arguments)));
  }
  return "";
}

std::string wrong_state(const Json& doc, const EpisodeLog& log) {
  std::string first;
  for (const Json& patch : doc["accepted"]) {
    std::string difference = state_difference(doc["state"].patch(patch), log.state);
    if (difference.empty()) return "";
    if (first.empty()) first = difference;
  }
  return first;
}

std::string missing_answer(const Json& doc, const EpisodeLog& log) {
  std::string all;
  for (const std::string& said : log.said) all += said + "\n";
  for (const Json& any : doc.value("required", Json::array())) {
    bool found = std::any_of(any.begin(), any.end(), [&](const Json& part) { return says(all, part.get<std::string>()); });
    if (!found) return any.size() == 1 ? fmt::format("the user was not told {}", shown(any[0])) : fmt::format("the user was not told anything like {}", shown(any[0]));
  }
  return "";
}

// Gold calls that change the world are what its writing tools do.
int needless_writes(const Json& doc, const EpisodeLog& log) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (const Json& turn : doc.value("gold", Json::array()))
    for (const Json& call : turn.value("calls", Json::array()))
      wanted.emplace_back(call["name"].get<std::string>(), canonical_json(call["arguments"]));
  int n = 0;
  for (const ExecutedCall& call : log.calls) {
    if (!call.changed) continue;
    auto it = std::find(wanted.begin(), wanted.end(), std::make_pair(call.name, canonical_json(call.arguments)));
    if (it == wanted.end()) ++n;
    else wanted.erase(it);
  }
  return n;
}

bool gold_calls_tools(const Json& doc) {
  const Json gold = doc.value("gold", Json::array());
  return std::any_of(gold.begin(), gold.end(), [](const Json& turn) { return turn.contains("calls"); });
}

std::optional<FailureClass> class_of(End end) {
  switch (end) {
    case End::truncated:
    case End::context_full: return FailureClass::truncated;
    case End::unfinished_thinking: return FailureClass::unfinished_thinking;
    case End::invalid_calls: return FailureClass::invalid_calls;
    case End::step_limit: return FailureClass::step_limit;
    default: return std::nullopt;
  }
}

}  // namespace

bool says(const std::string& text, const std::string& part) {
  std::string in = plain(text), what = plain(part);
  if (what.empty()) return true;
  for (size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1))
    if (stands_alone(in, at, what.size())) return true;
  return false;
}

std::string state_difference(const Json& expected, const Json& actual) {
  if (expected.is_object() && expected.size() == 1 && expected.contains("$any")) return "";
  if (expected.is_object() && expected.size() == 1 && expected.contains("$contains")) return difference_of_text(expected["$contains"], actual);
  if (expected.is_object() && actual.is_object()) return difference_of_objects(expected, actual);
  if (expected.is_array() && actual.is_array() && expected.size() == actual.size()) {
    for (size_t i = 0; i < expected.size(); ++i)
      if (std::string inside = state_difference(expected[i], actual[i]); !inside.empty()) return fmt::format("/{}{}", i, inside);
    return "";
  }
  return expected == actual ? "" : fmt::format(": {} was expected, not {}", shown(expected), shown(actual));
}

Verdict judge(const Json& doc, const EpisodeLog& log) {
  Verdict out;
  out.n_steps = log.n_steps;
  out.n_calls = static_cast<int>(log.calls.size()) + log.n_unreadable;
  out.n_invalid_calls = log.n_unreadable;
  for (const ExecutedCall& call : log.calls) out.n_invalid_calls += is_invalid_call(call.error_code);
  out.n_needless_writes = needless_writes(doc, log);
  auto verdict = [&](FailureClass failure_class, std::string explanation) {
    out.failure_class = failure_class;
    out.explanation = std::move(explanation);
    return out;
  };
  if (std::string why = forbidden_write(doc, log); !why.empty()) return verdict(FailureClass::forbidden_write, why);
  if (auto ended = class_of(log.end)) return verdict(*ended, fmt::format("{} after {} turns", to_string(log.end), log.n_steps));
  std::string state = wrong_state(doc, log), answer = missing_answer(doc, log);
  bool wrong = !state.empty() || !answer.empty();
  if (wrong && log.calls.empty() && gold_calls_tools(doc)) return verdict(FailureClass::no_call, "no tool was called");
  if (!state.empty()) return verdict(FailureClass::wrong_state, state);
  if (!answer.empty()) return verdict(FailureClass::missing_answer, answer);
  out.success = true;
  return out;
}

}  // namespace qeval::agent
