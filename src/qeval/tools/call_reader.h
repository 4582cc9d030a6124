#pragma once

// Inner seam of tools/: one strict reader per syntax, and what to say where none can read an answer.

#include "qeval/tools/parse_calls.h"

namespace qeval {

inline constexpr std::string_view kToolCallOpen = "<tool_call>";
inline constexpr std::string_view kToolCallClose = "</tool_call>";
inline constexpr std::string_view kFunctionOpen = "<function=";

// Strict: calls, or the first fault. No call in the text's form: neither calls nor fault.
ParsedCalls read_native(std::string_view text, const Json& tools);
ParsedCalls read_json_calls(std::string_view text);
ParsedCalls read_python(std::string_view text);
ParsedCalls read_source(std::string_view text, CallSyntax language);

// A call of {"name": …, "arguments": {…}}. Fault: what its shape lacks.
ParsedCalls calls_of_value(const PyValue& value);

// Why `text` is no call in `syntax`; `fault`: what its strict reader said, if anything.
CallFault diagnose_calls(std::string_view text, CallSyntax syntax, const Json& tools, std::optional<CallFault> fault);

inline ParsedCalls call_fault(FailureClass c, std::string detail) {
  ParsedCalls out;
  out.fault = CallFault{c, std::move(detail)};
  return out;
}

}  // namespace qeval
