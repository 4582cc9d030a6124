#pragma once

#include <optional>
#include <string_view>

namespace qeval {

// What happened to a sample. Stored; never renumber.
enum class FailureClass {
  correct = 1,
  wrong_answer = 2,
  no_answer = 3,             // nothing that the filter could extract
  wrong_format = 4,          // the right answer, rejected by the protocol
  truncated = 5,             // cut by the token limit
  stopped_mid_answer = 6,    // a stop string cut it before the answer was complete
  empty_or_refusal = 7,
  unfinished_thinking = 8,
  syntax_error = 9,
  unterminated_string = 10,  // the syntax error that broke the first tracker's code tasks
  code_fence = 11,           // syntax error because Markdown fences or chat text surround the code
  runtime_error = 12,
  test_failed = 13,
  time_out = 14,
  memory_limit = 15,
  engine_failure = 16,       // infrastructure: never counts as wrong
  sandbox_failure = 17,      // infrastructure: never counts as wrong
  degenerate = 18,           // log-likelihoods that cannot rank (all equal or not finite)
  no_call = 19,              // a call was due; the answer is empty or says that there is none
  prose = 20,                // a call (or JSON) was due; the answer is text for people
  invalid_json = 21,
  surrounding_text = 22,     // a well-formed call or JSON with text around it that the protocol does not allow
  call_syntax = 23,          // a call, in another syntax than the protocol's
  unknown_function = 24,
  missing_parameter = 25,
  unknown_parameter = 26,
  wrong_type = 27,
  wrong_value = 28,
  wrong_call_count = 29,
  needless_call = 30,        // a call where none was due
  schema_violation = 31,     // valid JSON that its schema refuses
  wrong_function = 32,       // a function that exists, but another one was due
  not_judged = 33,           // answered; a judge has not rated it yet
  wrong_state = 34,          // agents: the world is not as it should be at the end
  forbidden_write = 35,      // agents: something was changed that must not be
  missing_answer = 36,       // agents: the user was not told what had to be said
  step_limit = 37,           // agents: the budget of turns ran out
  invalid_calls = 38,        // agents: calls stayed invalid after the retries
  no_rating = 39,            // the judge was asked, and its text holds no rating
};
inline constexpr int kLastFailureClass = 39;

const char* to_string(FailureClass c);
std::optional<FailureClass> failure_class_from(std::string_view name);

// Not the model's doing: shown beside the score, never inside it.
constexpr bool is_infrastructure(FailureClass c) {
  return c == FailureClass::engine_failure || c == FailureClass::sandbox_failure;
}
// The answer's form, not its content: over 20 % of these make a score suspect.
constexpr bool is_format(FailureClass c) {
  switch (c) {
    case FailureClass::no_answer:
    case FailureClass::wrong_format:
    case FailureClass::syntax_error:
    case FailureClass::unterminated_string:
    case FailureClass::code_fence:
    case FailureClass::truncated:
    case FailureClass::prose:
    case FailureClass::invalid_json:
    case FailureClass::surrounding_text:
    case FailureClass::call_syntax:
    case FailureClass::invalid_calls:
    case FailureClass::unfinished_thinking: return true;
    default: return false;
  }
}

}  // namespace qeval
