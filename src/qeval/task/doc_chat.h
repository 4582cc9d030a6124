#pragma once

#include <optional>
#include <string>

#include "qeval/core/request.h"
#include "qeval/tools/offer_tools.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Columns of a doc that hold a whole conversation and what binds its answer; metadata.chat in a task's YAML. "" = none.
struct DocChatFields {
  std::string messages;     // [{role, content}, …]
  std::string tools;        // OpenAI tool list
  std::string docs;         // the same functions as BFCL's prompt mode shows them
  std::string json_schema;  // the answer's schema: binds decoding where the tool mode is constrained
  bool asks() const { return !messages.empty(); }
};

struct DocChat {
  ChatPrompt chat;
  std::string json_schema;
};

// Error: a column that is missing or of another form.
Result<DocChat> doc_chat(const DocChatFields& fields, const Json& doc, ToolMode mode, const std::string& system_instruction,
                         std::optional<bool> enable_thinking);

// What constrained answers to these docs may still break, for the data note: "; schema keywords that …".
std::string unenforced_note(const DocChatFields& fields, const std::vector<Json>& docs, const std::vector<int64_t>& ids);

}  // namespace qeval
