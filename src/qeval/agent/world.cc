#include "qeval/agent/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/core/tool_call.h"
#include "qeval/text/unicode.h"

namespace qeval::agent {
namespace {

constexpr size_t kMaxText = 20000;  // bytes of one argument
constexpr size_t kMaxItems = 100;   // entries of a list

bool has_type(const Json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "boolean") return value.is_boolean();
  return value.is_array() && value.size() <= kMaxItems &&
         std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_string(); });
}

bool too_long(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() > kMaxText;
  return value.is_array() && std::any_of(value.begin(), value.end(), too_long);
}

std::optional<ToolError> check_value(const std::string& name, const Json& schema, const Json& value) {
  std::string type = schema["type"].get<std::string>();
  if (!has_type(value, type)) {
    std::string wanted = type == "array" ? fmt::format("a list of at most {} strings", kMaxItems) : type;
    return ToolError{"wrong_type", fmt::format("{}: {} was expected, not {}", name, wanted, value.type_name())};
  }
  if (too_long(value)) return ToolError{"invalid_value", fmt::format("{}: longer than {} bytes", name, kMaxText)};
  if (!schema.contains("enum")) return std::nullopt;
  const Json& allowed = schema["enum"];
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return std::nullopt;
  std::string names;
  for (const Json& one : allowed) names += (names.empty() ? "" : ", ") + one.get<std::string>();
  return ToolError{"invalid_value", fmt::format("{}: one of {} was expected, not {}", name, names,
                                                quote(value.get<std::string>()))};
}

std::optional<ToolError> check_arguments(const Tool& tool, const Json& arguments) {
  if (!arguments.is_object()) return ToolError{"invalid_arguments", fmt::format("{}: the arguments must be a JSON object", tool.name)};
  const Json& properties = tool.parameters["properties"];
  for (const Json& name : tool.parameters["required"])
    if (!arguments.contains(name.get_ref<const std::string&>()))
      return ToolError{"missing_parameter", fmt::format("{}: the parameter {} is missing", tool.name, name.get<std::string>())};
  for (const auto& [name, value] : arguments.items()) {
    if (!properties.contains(name))
      return ToolError{"unknown_parameter", fmt::format("{}: there is no parameter {}", tool.name, quote(name))};
    if (auto wrong = check_value(name, properties[name], value)) return wrong;
  }
  return std::nullopt;
}

int number_at(const std::string& text, size_t at, size_t n) {
  int out = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    out = out * 10 + (text[i] - '0');
  }
  return out;
}

}  // namespace

const Tool* World::find(const std::string& tool) const {
  auto it = std::find_if(tools.begin(), tools.end(), [&](const Tool& t) { return t.name == tool; });
  return it == tools.end() ? nullptr : &*it;
}

const std::vector<World>& worlds() {
  static const std::vector<World> all = {files_world(), office_world(), shop_world(), tickets_world()};
  return all;
}

const World* find_world(const std::string& name) {
  for (const World& world : worlds())
    if (world.name == name) return &world;
  return nullptr;
}

Json tool_list(const World& world, const std::vector<std::string>& hidden) {
  Json functions = Json::array();
  for (const Tool& tool : world.tools)
    if (std::find(hidden.begin(), hidden.end(), tool.name) == hidden.end())
      functions.push_back({{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}});
  return qeval::tool_list(functions);
}

CallOutcome failed_call(const ToolError& error) {
  return {{{"error", {{"code", error.code}, {"message", error.message}}}}, error.code, false};
}

CallOutcome call_tool(const World& world, const std::string& name, const Json& arguments, Json& state) {
  const Tool* tool = world.find(name);
  if (!tool) return failed_call({"unknown_tool", fmt::format("there is no tool {}", quote(name))});
  if (auto wrong = check_arguments(*tool, arguments)) return failed_call(*wrong);
  Json after = state;
  ToolResult result = tool->run(after, arguments);
  if (!result) return failed_call(result.error());
  CallOutcome out;
  out.reply = std::move(*result);
  out.changed = tool->writes && after != state;
  state = std::move(after);
  return out;
}

bool is_invalid_call(const std::string& code) {
  for (const char* invalid : {"unknown_tool", "invalid_arguments", "missing_parameter", "unknown_parameter", "wrong_type",
                              "invalid_value", "invalid_call"})
    if (code == invalid) return true;
  return false;
}

Json parameters(const std::vector<Param>& params) {
  Json properties = Json::object(), required = Json::array();
  for (const Param& param : params) {
    Json schema;
    if (std::string(param.type) == "strings") schema = {{"type", "array"}, {"items", {{"type", "string"}}}};
    else schema = {{"type", param.type}};
    schema["description"] = param.description;
    if (!param.allowed.empty()) schema["enum"] = param.allowed;
    properties[param.name] = std::move(schema);
    if (param.required) required.push_back(param.name);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

tl::unexpected<ToolError> refuse(std::string code, std::string message) {
  return tl::unexpected<ToolError>(ToolError{std::move(code), std::move(message)});
}

std::string quote(const std::string& text) {
  std::vector<uint32_t> points = code_points(std::string_view(text).substr(0, 260));
  bool cut = points.size() > 60 || text.size() > 260;
  if (cut) points.resize(std::min<size_t>(points.size(), 60));
  for (uint32_t& point : points)
    if (point < 32 || point == 127) point = ' ';
  return "'" + to_utf8(points) + (cut ? "…'" : "'");
}

std::string text_of(const Json& arguments, const char* key) { return json_string(arguments, key); }

bool has(const Json& object, const std::string& key) { return object.contains(key); }

bool contains_ignoring_case(const std::string& text, const std::string& part) {
  return py_lower(text).find(py_lower(part)) != std::string::npos;
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  int year = number_at(text, 0, 4), month = number_at(text, 5, 2), day = number_at(text, 8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool is_time(const std::string& text) {
  if (text.size() != 5 || text[2] != ':') return false;
  int hour = number_at(text, 0, 2), minute = number_at(text, 3, 2);
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60;
}

}  // namespace qeval::agent
