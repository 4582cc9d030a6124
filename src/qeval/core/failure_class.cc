#include "qeval/core/failure_class.h"

namespace qeval {

const char* to_string(FailureClass c) {
  switch (c) {
    case FailureClass::correct: return "correct";
    case FailureClass::wrong_answer: return "wrong_answer";
    case FailureClass::no_answer: return "no_answer";
    case FailureClass::wrong_format: return "wrong_format";
    case FailureClass::truncated: return "truncated";
    case FailureClass::stopped_mid_answer: return "stopped_mid_answer";
    case FailureClass::empty_or_refusal: return "empty_or_refusal";
    case FailureClass::unfinished_thinking: return "unfinished_thinking";
    case FailureClass::syntax_error: return "syntax_error";
    case FailureClass::unterminated_string: return "unterminated_string";
    case FailureClass::code_fence: return "code_fence";
    case FailureClass::runtime_error: return "runtime_error";
    case FailureClass::test_failed: return "test_failed";
    case FailureClass::time_out: return "time_out";
    case FailureClass::memory_limit: return "memory_limit";
    case FailureClass::engine_failure: return "engine_failure";
    case FailureClass::sandbox_failure: return "sandbox_failure";
    case FailureClass::degenerate: return "degenerate";
    case FailureClass::no_call: return "no_call";
    case FailureClass::prose: return "prose";
    case FailureClass::invalid_json: return "invalid_json";
    case FailureClass::surrounding_text: return "surrounding_text";
    case FailureClass::call_syntax: return "call_syntax";
    case FailureClass::unknown_function: return "unknown_function";
    case FailureClass::missing_parameter: return "missing_parameter";
    case FailureClass::unknown_parameter: return "unknown_parameter";
    case FailureClass::wrong_type: return "wrong_type";
    case FailureClass::wrong_value: return "wrong_value";
    case FailureClass::wrong_call_count: return "wrong_call_count";
    case FailureClass::needless_call: return "needless_call";
    case FailureClass::schema_violation: return "schema_violation";
    case FailureClass::wrong_function: return "wrong_function";
    case FailureClass::not_judged: return "not_judged";
    case FailureClass::no_rating: return "no_rating";
    case FailureClass::wrong_state: return "wrong_state";
    case FailureClass::forbidden_write: return "forbidden_write";
    case FailureClass::missing_answer: return "missing_answer";
    case FailureClass::step_limit: return "step_limit";
    case FailureClass::invalid_calls: return "invalid_calls";
  }
  return "unknown";
}

std::optional<FailureClass> failure_class_from(std::string_view name) {
  for (int i = 1; i <= kLastFailureClass; ++i)
    if (name == to_string(static_cast<FailureClass>(i))) return static_cast<FailureClass>(i);
  return std::nullopt;
}

}  // namespace qeval
