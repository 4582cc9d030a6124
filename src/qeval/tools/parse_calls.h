#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/tools/calls.h"
#include "qeval/util/json.h"

namespace qeval {

// How a protocol wants calls to be written.
enum class CallSyntax {
  // The model's own: <tool_call>{"name": …, "arguments": {…}}</tool_call> (Hermes; Qwen2.5, Qwen3) or
  // <tool_call><function=NAME><parameter=P>VALUE</parameter>…</function></tool_call> (Qwen3-Coder, Qwen3.5 on), once or
  // more, with text around them. As vLLM's parsers: the last closing tag may be missing, and an XML block may stand
  // without <tool_call>. Engines write a server's tool_calls in the first form (core/tool_call.h).
  native,
  // [f(a=1), g(b='x')], brackets optional, nothing else: BFCL's prompt mode, decoded as its package does
  // (backticks, white space and quotes around the whole are dropped).
  python,
  // [{"name": …, "arguments": {…}}, …] or one such object, nothing else; [] says that no call is due.
  json,
  // f(a=1), one language's own literals kept as text (prompt mode of BFCL's Java and JavaScript tasks).
  java,
  javascript,
};
std::optional<CallSyntax> call_syntax_from(std::string_view name);

struct ParsedCalls {
  std::vector<Call> calls;
  std::string content;             // text outside of the calls, stripped (native only)
  // What keeps the answer from being read as the protocol demands; then `calls` is what could be read before it.
  // No call at all is a fault too: no_call (empty, or [] in words) or prose.
  std::optional<CallFault> fault;
};

// Reads an answer (valid UTF-8, thinking already removed). `tools`: the OpenAI tool list, by which XML values get their
// types and prose is told from a broken call; null where unknown. A fault names what a reader sees: a fence around it, a
// call in another syntax, text around it, broken JSON and where. Nesting is limited (JSON 512, Python 200). Linear in
// the text's length. Thread-safe.
ParsedCalls parse_calls(std::string_view answer, CallSyntax syntax, const Json& tools);

}  // namespace qeval
