#include "qeval/tools/calls.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/python_literal.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

using Kind = PyValue::Kind;

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

// null for a type that no schema names.
std::optional<bool> has_type(const PyValue& value, const std::string& type) {
  if (type == "string") return value.is(Kind::text);
  if (type == "integer") return value.is(Kind::integer);
  if (type == "number" || type == "float" || type == "double") return value.is(Kind::integer) || value.is(Kind::real);
  if (type == "boolean") return value.is(Kind::boolean);
  if (type == "array" || type == "tuple" || type == "list") return value.is(Kind::list) || value.is(Kind::tuple);
  if (type == "object" || type == "dict") return value.is(Kind::dict);
  if (type == "null") return value.is(Kind::none);
  return std::nullopt;
}

bool fits_type(const PyValue& value, const Json& types) {
  if (types.is_string()) return has_type(value, types.get<std::string>()).value_or(true);
  if (!types.is_array() || types.empty()) return true;
  return std::any_of(types.begin(), types.end(), [&](const Json& one) { return fits_type(value, one); });
}

std::optional<CallFault> check_value(const PyValue& value, const Json& schema, const std::string& place);

std::optional<CallFault> check_object(const PyValue& object, const Json& schema, const std::string& place) {
  std::string dot = place.empty() ? "" : place + ".";
  if (const Json* required = member(schema, "required"); required && required->is_array())
    for (const Json& name : *required)
      if (name.is_string() && !object.find(name.get<std::string>()))
        return CallFault{FailureClass::missing_parameter, fmt::format("'{}{}' is missing", dot, name.get<std::string>())};
  const Json* properties = member(schema, "properties");
  if (!properties || !properties->is_object()) return std::nullopt;
  const Json* more = member(schema, "additionalProperties");
  for (size_t i = 0; i < object.keys.size(); ++i) {
    std::string name = object.keys[i].is(Kind::text) ? object.keys[i].text : shown(object.keys[i]);
    auto it = object.keys[i].is(Kind::text) ? properties->find(name) : properties->end();
    if (it != properties->end()) {
      if (auto fault = check_value(object.items[i], *it, dot + name)) return fault;
    } else if (!more || *more == false) {
      return CallFault{FailureClass::unknown_parameter, fmt::format("there is no parameter '{}{}'", dot, printable(name.substr(0, 80)))};
    }
  }
  return std::nullopt;
}

std::optional<CallFault> check_value(const PyValue& value, const Json& schema, const std::string& place) {
  const Json* type = member(schema, "type");
  if (type && !fits_type(value, *type))
    return CallFault{FailureClass::wrong_type, fmt::format("'{}' is {} ({}), {} was expected", place, py_type_name(value), shown(value), dump_json(*type))};
  if (const Json* allowed = member(schema, "enum"); allowed && allowed->is_array()) {
    bool found = std::any_of(allowed->begin(), allowed->end(), [&](const Json& one) { return py_equal(py_value_of(one), value); });
    if (!found) return CallFault{FailureClass::wrong_value, fmt::format("'{}' is {}, one of {} was expected", place, shown(value), dump_json(*allowed))};
  }
  if (value.is(Kind::dict)) return check_object(value, schema, place);
  const Json* items = member(schema, "items");
  if (items && (value.is(Kind::list) || value.is(Kind::tuple)))
    for (size_t i = 0; i < value.items.size(); ++i)
      if (auto fault = check_value(value.items[i], *items, fmt::format("{}[{}]", place, i))) return fault;
  return std::nullopt;
}

}  // namespace

std::string shown(const PyValue& value) {
  std::string out = dump_json(to_json(value));
  return out.size() > 80 ? valid_utf8(std::string_view(out).substr(0, 80)) + "…" : out;
}

std::string calls_text(const std::vector<Call>& calls, size_t max_bytes) {
  std::string out;
  for (const Call& call : calls) {
    if (out.size() > max_bytes) break;
    if (!out.empty()) out += ", ";
    out += call.name + "(";
    for (size_t i = 0; i < call.arguments.keys.size() && out.size() <= max_bytes; ++i) {
      const PyValue& key = call.arguments.keys[i];
      out += fmt::format("{}{}={}", i > 0 ? ", " : "", key.is(Kind::text) ? key.text : "**", python_repr(to_json(call.arguments.items[i])));
    }
    out += ")";
  }
  return out.size() > max_bytes ? valid_utf8(std::string_view(out).substr(0, max_bytes)) + "…" : out;
}

const Json* find_tool(const Json& tools, const std::string& name) {
  if (!tools.is_array()) return nullptr;
  for (const Json& tool : tools) {
    const Json* function = member(tool, "function");
    const Json& doc = function && function->is_object() ? *function : tool;
    if (json_string(doc, "name") == name) return &doc;
  }
  return nullptr;
}

std::optional<CallFault> check_call(const Call& call, const Json& tools) {
  const Json* tool = find_tool(tools, call.name);
  if (!tool) return CallFault{FailureClass::unknown_function, fmt::format("there is no function '{}'", printable(call.name.substr(0, 80)))};
  const Json* schema = member(*tool, "parameters");
  return schema ? check_object(call.arguments, *schema, "") : std::nullopt;
}

}  // namespace qeval
