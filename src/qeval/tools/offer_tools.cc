#include "qeval/tools/offer_tools.h"

#include <algorithm>
#include <set>

#include "qeval/text/python_literal.h"

namespace qeval {
namespace {

// The benchmark's own system prompt: it is the protocol.
constexpr const char* kPromptHead =
    "You are an expert in composing functions."
    "You are given a question and a set of possible functions. Based on the question, you will need to make one or more "
    "function/tool calls to achieve the purpose. If none of the functions can be used, point it out. If the given question "
    "lacks the parameters required by the function, also point it out.\n\n"
    "You should only return the function calls in your response.\n\n"
    "If you decide to invoke any of the function(s), you MUST put it in the format of [func_name1(params_name1=params_value1, "
    "params_name2=params_value2...), func_name2(params)].  You SHOULD NOT include any other text in the response.\n\n"
    "At each turn, you should try your best to complete the tasks requested by the user within the current turn. Continue to "
    "output functions to call until you have fulfilled the user's request to the best of your ability. Once you have no more "
    "functions to call, the system will consider the current turn complete and proceed to the next turn or task.\n\n"
    "Here is a list of functions in json format that you can invoke.\n";

constexpr const char* kConstrainedHead =
    "You can call the functions that are listed below. Answer with a JSON list of calls and nothing else: "
    "[{\"name\": \"function_name\", \"arguments\": {\"parameter\": value}}]. Make as many calls as the request needs. "
    "Answer [] if none of the functions serves the request or if a required parameter is not known.\n\nFunctions:\n";

Json docs_of(const Json& tools) {
  Json out = Json::array();
  for (const Json& tool : tools) out.push_back(tool.contains("function") ? tool["function"] : tool);
  return out;
}

void put_in_front(std::vector<Message>& messages, const std::string& text) {
  if (!messages.empty() && messages[0].role == "system") messages[0].content = text + "\n\n" + messages[0].content;
  else messages.insert(messages.begin(), Message{"system", text, nullptr});
}

std::string constrained_text(const Json& docs) {
  std::string out = kConstrainedHead;
  for (const Json& doc : docs) out += dump_json(doc) + "\n";
  out.pop_back();
  return out;
}

// Only what binds decoding: descriptions and defaults cost grammar and mean nothing to it.
Json binding_part(const Json& schema) {
  if (schema.is_array()) {
    Json out = Json::array();
    for (const Json& item : schema) out.push_back(binding_part(item));
    return out;
  }
  if (!schema.is_object()) return schema;
  Json out = Json::object();
  for (const auto& [key, value] : schema.items()) {
    if (key == "description" || key == "default" || key == "optional" || key == "title" || key == "examples") continue;
    if (key == "format" && json_string(schema, "type") != "string") continue;
    if (key == "properties" && value.is_object()) {
      Json properties = Json::object();
      for (const auto& [name, property] : value.items()) properties[name] = binding_part(property);
      out[key] = std::move(properties);
    } else if (key == "enum" || key == "const" || key == "required") {
      out[key] = value;
    } else {
      out[key] = binding_part(value);
    }
  }
  bool closed = out.contains("properties") && !out["properties"].empty();
  if (closed && !out.contains("additionalProperties")) out["additionalProperties"] = false;
  return out;
}

void collect_unenforced(const Json& schema, std::set<std::string>& out) {
  static const std::set<std::string> kNever = {"uniqueItems", "multipleOf", "not", "if", "then", "else", "patternProperties", "propertyNames",
                                               "minProperties", "maxProperties", "contains", "minContains", "maxContains", "dependentRequired",
                                               "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems"};
  static const std::set<std::string> kFormats = {"date", "time", "date-time", "uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"};
  static const std::set<std::string> kBounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
  if (schema.is_array())
    for (const Json& item : schema) collect_unenforced(item, out);
  if (!schema.is_object()) return;
  std::string type = json_string(schema, "type");
  for (const auto& [key, value] : schema.items()) {
    if (kNever.contains(key)) out.insert(key);
    if (kBounds.contains(key) && type != "integer") out.insert(key + " of a number");
    if (key == "format" && type == "string" && value.is_string() && !kFormats.contains(value.get<std::string>())) out.insert("format " + value.get<std::string>());
    if (key == "pattern" && value.is_string() && (value.get<std::string>().empty() || value.get<std::string>().front() != '^' || value.get<std::string>().back() != '$'))
      out.insert("pattern without ^…$");
    if (key == "properties" || key == "$defs" || key == "definitions") {
      if (value.is_object())
        for (const auto& [name, property] : value.items()) collect_unenforced(property, out);
    } else if (key != "enum" && key != "const" && key != "default" && key != "required") {
      collect_unenforced(value, out);
    }
  }
}

}  // namespace

std::optional<ToolMode> tool_mode_from(std::string_view name) {
  for (ToolMode mode : {ToolMode::native, ToolMode::prompt, ToolMode::constrained})
    if (name == to_string(mode)) return mode;
  return std::nullopt;
}

const char* to_string(ToolMode mode) {
  switch (mode) {
    case ToolMode::native: return "native";
    case ToolMode::prompt: return "prompt";
    case ToolMode::constrained: return "constrained";
  }
  return "unknown";
}

OfferedTools offer_tools(std::vector<Message> messages, const Json& tools, const Json& docs, ToolMode mode) {
  OfferedTools out;
  const Json shown = docs.is_array() ? docs : docs_of(tools);
  switch (mode) {
    case ToolMode::native:
      if (!tools.empty()) out.chat.tools = tools;
      break;
    case ToolMode::prompt:
      // Python's json.dumps(functions, indent=4).
      put_in_front(messages, kPromptHead + shown.dump(4, ' ', true, Json::error_handler_t::replace) + "\n");
      out.syntax = CallSyntax::python;
      break;
    case ToolMode::constrained:
      put_in_front(messages, constrained_text(docs_of(tools)));
      out.json_schema = dump_json(calls_schema(tools));
      out.syntax = CallSyntax::json;
      break;
  }
  out.chat.messages = std::move(messages);
  return out;
}

Message more_tools(const Json& tools, const Json& docs, ToolMode mode) {
  std::string text = "I have updated some more functions you can choose from. What about now?";
  if (mode == ToolMode::prompt) text = python_repr(docs) + "\n" + text;
  if (mode == ToolMode::constrained)
    for (const Json& doc : docs_of(tools)) text.insert(0, dump_json(doc) + "\n");
  return {"user", text, nullptr};
}

Json calls_schema(const Json& tools, int max_calls) {
  Json choices = Json::array();
  for (const Json& doc : docs_of(tools)) {
    Json arguments = doc.contains("parameters") ? binding_part(doc["parameters"]) : Json::object();
    if (!arguments.contains("type")) arguments["type"] = "object";
    Json call = {{"type", "object"}, {"properties", {{"name", {{"const", json_string(doc, "name")}}}, {"arguments", std::move(arguments)}}}};
    call["required"] = {"name", "arguments"};
    call["additionalProperties"] = false;
    choices.push_back(std::move(call));
  }
  if (choices.empty()) return {{"const", Json::array()}};
  Json items = choices.size() == 1 ? choices[0] : Json{{"anyOf", std::move(choices)}};
  return {{"type", "array"}, {"items", std::move(items)}, {"maxItems", max_calls}};
}

std::vector<std::string> unenforced_keywords(const Json& schema) {
  std::set<std::string> found;
  collect_unenforced(schema, found);
  return {found.begin(), found.end()};
}

}  // namespace qeval
