#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/tools/parse_calls.h"
#include "qeval/util/json.h"

namespace qeval {

// How functions are offered to a model, and so how its calls come back.
enum class ToolMode {
  native,       // the chat template's tool slot (a server's `tools`); the model's own call syntax
  prompt,       // a system message that lists the functions and asks for Python call expressions: BFCL's prompt mode
  constrained,  // a system message that asks for a JSON list of calls, decoding bound to the schema of such a list;
                // [] says that no call is due, so that a model can decline
};
std::optional<ToolMode> tool_mode_from(std::string_view name);
const char* to_string(ToolMode mode);

struct OfferedTools {
  ChatPrompt chat;
  std::string json_schema;                     // constrained: for Request::json_schema, else ""
  CallSyntax syntax = CallSyntax::native;      // in which the answer is to be read
};
// `tools`: OpenAI tool list. `docs`: the functions as the prompt mode shows them (JSON, indented by 4); null = those of
// `tools`. A leading system message stays, behind ours.
OfferedTools offer_tools(std::vector<Message> messages, const Json& tools, const Json& docs, ToolMode mode);

// What the user says where functions become available later, as the benchmark has it. In the native mode the tool slot
// shows them.
Message more_tools(const Json& tools, const Json& docs, ToolMode mode);

// Schema of a list of at most `max_calls` calls: [{"name": …, "arguments": {…}}].
Json calls_schema(const Json& tools, int max_calls = 16);
// Keywords of a JSON Schema that grammars of llama.cpp cannot enforce, sorted, each once: a schema-bound answer may
// still break them.
std::vector<std::string> unenforced_keywords(const Json& schema);

inline constexpr int kOfferToolsVersion = 1;   // raised when a text or schema changes: part of a task's identity

}  // namespace qeval
