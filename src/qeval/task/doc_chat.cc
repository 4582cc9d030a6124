#include "qeval/task/doc_chat.h"

#include <fmt/format.h>

#include <map>

namespace qeval {
namespace {

Result<std::vector<Message>> messages_of(const Json& doc, const std::string& column) {
  if (!doc.contains(column) || !doc[column].is_array() || doc[column].empty()) return bad_input(fmt::format("the field '{}' is no list of messages", column));
  std::vector<Message> out;
  for (const Json& item : doc[column]) {
    if (!item.is_object() || !item.contains("role") || !item.contains("content")) return bad_input(fmt::format("the field '{}': a message needs a role and a content", column));
    Message message{json_string(item, "role"), json_string(item, "content"), nullptr};
    for (const auto& [key, value] : item.items())
      if (key != "role" && key != "content") message.extra[key] = value;
    out.push_back(std::move(message));
  }
  return out;
}

Json column_of(const Json& doc, const std::string& column) { return !column.empty() && doc.contains(column) ? doc[column] : Json(); }

}  // namespace

Result<DocChat> doc_chat(const DocChatFields& fields, const Json& doc, ToolMode mode, const std::string& system_instruction,
                         std::optional<bool> enable_thinking) {
  QEVAL_TRY(std::vector<Message> messages, messages_of(doc, fields.messages));
  if (!system_instruction.empty()) {
    if (messages[0].role == "system") messages[0].content = system_instruction + "\n\n" + messages[0].content;
    else messages.insert(messages.begin(), Message{"system", system_instruction, nullptr});
  }
  DocChat out;
  if (!fields.tools.empty()) {
    Json tools = column_of(doc, fields.tools);
    if (!tools.is_array()) return bad_input(fmt::format("the field '{}' is no list of tools", fields.tools));
    OfferedTools offered = offer_tools(std::move(messages), tools, column_of(doc, fields.docs), mode);
    out.chat = std::move(offered.chat);
    out.json_schema = std::move(offered.json_schema);
  } else {
    out.chat.messages = std::move(messages);
    Json schema = column_of(doc, fields.json_schema);
    if (mode == ToolMode::constrained && schema.is_object()) out.json_schema = dump_json(schema);
  }
  out.chat.enable_thinking = enable_thinking;
  return out;
}

std::string unenforced_note(const DocChatFields& fields, const std::vector<Json>& docs, const std::vector<int64_t>& ids) {
  std::map<std::string, int64_t> found;
  for (int64_t id : ids) {
    auto asked = doc_chat(fields, docs[static_cast<size_t>(id)], ToolMode::constrained, "", std::nullopt);
    if (!asked || asked->json_schema.empty()) continue;
    auto schema = parse_json(asked->json_schema);
    if (!schema) continue;
    for (const std::string& keyword : unenforced_keywords(*schema)) ++found[keyword];
  }
  std::string list;
  for (const auto& [keyword, n] : found) list += fmt::format("{}{} (in {} docs)", list.empty() ? "" : ", ", keyword, n);
  return "; schema keywords that decoding does not enforce: " + (list.empty() ? "none" : list);
}

}  // namespace qeval
