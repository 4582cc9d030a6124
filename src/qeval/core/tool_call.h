#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/json.h"

namespace qeval {

// A call as a server's `tool_calls` names it. `arguments` is the JSON text as sent, valid or not.
struct ServerToolCall {
  std::string id, name, arguments;
};

// A server takes calls out of the text; here they go back into it, so that storing, scoring and showing know one form
// only: the content, then per call "\n<tool_call>\n{"name": …, "arguments": …}\n</tool_call>" (Hermes' form; empty
// arguments become {}). Engines put this into Response::text; tools/parse_calls.h reads it.
std::string text_with_tool_calls(std::string_view content, const std::vector<ServerToolCall>& calls);

// An OpenAI tool list of function docs [{name, description, parameters}].
Json tool_list(const Json& functions);

}  // namespace qeval
