#include "qeval/tools/gold_calls.h"

#include <fmt/format.h>

#include <algorithm>

#include <optional>

namespace qeval {
namespace {

std::optional<Json> first_given(const Json& accepted) {
  if (!accepted.is_array()) return accepted;
  for (const Json& one : accepted)
    if (one != "") return one;
  return std::nullopt;
}

// Inside accepted dicts each key holds its own list of accepted values.
Json settled(const Json& value) {
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value) out.push_back(item.is_object() ? settled(item) : item);
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  for (const auto& [key, accepted] : value.items())
    if (auto given = first_given(accepted)) out[key] = settled(*given);
    else if (accepted.is_array() && accepted.empty()) out[key] = Json::array();
  return out;
}

std::string joined(const Json& items, const std::string& item_type, std::string (*literal)(const Json&, const std::string&)) {
  std::string out;
  for (const Json& item : items) out += (out.empty() ? "" : ", ") + literal(item, item_type);
  return out;
}

std::string java_literal(const Json& value, const std::string& type) {
  if (value.is_string()) return type == "String" ? "\"" + value.get<std::string>() + "\"" : value.get<std::string>();
  if (value.is_number() && type == "long") return dump_json(value) + "L";
  if (value.is_number() && type == "float") return dump_json(value) + "f";
  return dump_json(value);
}

std::string java_source(const Json& value, const std::string& type, const std::string& item_type) {
  if (value.is_array() && type == "ArrayList") return value.empty() ? "new ArrayList<>()" : "new ArrayList<>(Arrays.asList(" + joined(value, item_type, java_literal) + "))";
  // Items of an array keep the quotes that they are written with.
  if (value.is_array()) return "new Object[]{" + joined(value, item_type == "String" ? "" : item_type, java_literal) + "}";
  if (value.is_object()) {
    std::string puts;
    for (const auto& [key, item] : value.items()) puts += fmt::format("put(\"{}\", {}); ", key, item.is_string() ? "\"" + item.get<std::string>() + "\"" : dump_json(item));
    return puts.empty() ? "new HashMap<>()" : "new HashMap<>() {{ " + puts + "}}";
  }
  return value.is_string() ? value.get<std::string>() : java_literal(value, type);
}

std::string javascript_literal(const Json& value, const std::string& type) {
  if (value.is_string()) return "\"" + value.get<std::string>() + "\"";
  if (value.is_number() && type == "Bigint") return dump_json(value) + "n";
  if (value.is_array()) return "[" + joined(value, "", javascript_literal) + "]";
  return dump_json(value);
}

std::string javascript_source(const Json& value, const std::string& type, const std::string& item_type) {
  if (value.is_array()) return "[" + joined(value, item_type, javascript_literal) + "]";
  if (value.is_object()) {
    std::string out;
    for (const auto& [key, item] : value.items()) out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, javascript_literal(item, ""));
    return "{" + out + "}";
  }
  return value.is_string() ? value.get<std::string>() : javascript_literal(value, type);
}

Json as_written(CallLanguage language, const Json& value, const Json& schema, const std::string& parameter) {
  if (language == CallLanguage::python) return settled(value);
  const Json empty = Json::object();
  const Json& property = schema.contains("properties") && schema["properties"].contains(parameter) ? schema["properties"][parameter] : empty;
  std::string type = json_string(property, "type"), item_type = property.contains("items") ? json_string(property["items"], "type") : "";
  Json made = settled(value);
  return language == CallLanguage::java ? java_source(made, type, item_type) : javascript_source(made, type, item_type);
}

bool lists(const Json& schema, const char* key, const std::string& name) {
  if (!schema.contains(key)) return false;
  const Json& list = schema[key];
  return list.is_object() ? list.contains(name) : list.is_array() && std::find(list.begin(), list.end(), name) != list.end();
}

// "" stands for leaving the parameter out, but for a required one, where it is the text itself. What the function does
// not know is left out where that is accepted.
std::optional<Json> chosen(const Json& accepted, const Json& schema, const std::string& parameter) {
  bool may_miss = accepted.is_array() && std::find(accepted.begin(), accepted.end(), "") != accepted.end();
  if (may_miss && !lists(schema, "properties", parameter)) return std::nullopt;
  auto given = first_given(accepted);
  if (!given && may_miss && lists(schema, "required", parameter)) return Json("");
  return given;
}

}  // namespace

std::vector<Call> gold_calls(CallLanguage language, const Json& functions, const Json& accepted, bool underscored_names) {
  std::vector<Call> out;
  if (!accepted.is_array()) return out;
  for (const Json& one : accepted) {
    if (!one.is_object() || one.empty()) continue;
    std::string name = one.begin().key();
    const Json* function = find_tool(functions, name);
    if (!function && functions.size() == 1) function = &functions[0];
    const Json schema = function && function->contains("parameters") ? (*function)["parameters"] : Json::object();
    Json arguments = Json::object();
    for (const auto& [parameter, values] : one.begin().value().items()) {
      auto given = chosen(values, schema, parameter);
      if (given) arguments[parameter] = as_written(language, *given, schema, parameter);
    }
    if (function) name = json_string(*function, "name");
    out.push_back({underscored_names ? underscored(name) : name, py_value_of(arguments)});
  }
  return out;
}

}  // namespace qeval
