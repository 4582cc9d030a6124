#include "qeval/core/tool_call.h"

namespace qeval {

std::string text_with_tool_calls(std::string_view content, const std::vector<ServerToolCall>& calls) {
  std::string out(content);
  for (const ServerToolCall& call : calls) {
    if (!out.empty()) out += '\n';
    out += "<tool_call>\n{\"name\": " + dump_json(Json(call.name)) + ", \"arguments\": ";
    out += call.arguments.empty() ? "{}" : call.arguments;
    out += "}\n</tool_call>";
  }
  return out;
}

Json tool_list(const Json& functions) {
  Json out = Json::array();
  for (const Json& function : functions) out.push_back({{"type", "function"}, {"function", function}});
  return out;
}

}  // namespace qeval
