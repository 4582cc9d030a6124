#include "qeval/tools/ast_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/unicode.h"

namespace qeval {
namespace {

using Kind = PyValue::Kind;
using Fault = std::optional<CallFault>;

Fault fault(FailureClass c, std::string detail) { return CallFault{c, std::move(detail)}; }

bool is_blank_text(const PyValue& v) { return v.is(Kind::text) && v.text.empty(); }

std::string standardised(const std::string& text) {
  std::string kept;
  for (char c : text)
    if (std::string_view(" ,./-_*^").find(c) == std::string_view::npos) kept += c;
  kept = py_lower(kept);
  std::replace(kept.begin(), kept.end(), '\'', '"');
  return kept;
}
PyValue standardised(const PyValue& value) { return value.is(Kind::text) ? PyValue::of(standardised(value.text)) : value; }

bool contains(const std::vector<PyValue>& values, const PyValue& wanted) {
  return std::any_of(values.begin(), values.end(), [&](const PyValue& v) { return py_equal(v, wanted); });
}

// Python's iteration over an accepted value: a list's items, a text's characters.
std::vector<PyValue> iterated(const PyValue& value) {
  if (value.is(Kind::list) || value.is(Kind::tuple)) return value.items;
  std::vector<PyValue> out;
  if (value.is(Kind::text))
    for (uint32_t point : code_points(value.text)) out.push_back(PyValue::of(to_utf8({point})));
  return out;
}

std::optional<Kind> kind_of_type(CallLanguage language, const std::string& type) {
  struct Row { const char* name; Kind python, java, javascript; };
  constexpr Kind no = Kind::other;
  static constexpr Row rows[] = {
      {"string", Kind::text, no, no}, {"integer", Kind::integer, Kind::integer, Kind::integer},
      {"float", Kind::real, Kind::real, Kind::real}, {"boolean", Kind::boolean, Kind::boolean, no},
      {"array", Kind::list, no, Kind::list}, {"tuple", Kind::list, no, no}, {"dict", Kind::dict, no, Kind::dict},
      {"any", Kind::text, Kind::text, Kind::text}, {"byte", no, Kind::integer, no}, {"short", no, Kind::integer, no},
      {"long", no, Kind::integer, no}, {"double", no, Kind::real, no}, {"char", no, Kind::text, no},
      {"Array", no, Kind::list, no}, {"ArrayList", no, Kind::list, no}, {"HashMap", no, Kind::dict, no},
      {"Hashtable", no, Kind::dict, no}, {"Queue", no, Kind::list, no}, {"Stack", no, Kind::list, no},
      {"String", no, Kind::text, Kind::text}, {"Bigint", no, no, Kind::integer}, {"Boolean", no, no, Kind::boolean}};
  for (const Row& row : rows) {
    if (type != row.name) continue;
    Kind kind = language == CallLanguage::python ? row.python : language == CallLanguage::java ? row.java : row.javascript;
    return kind == no ? std::nullopt : std::optional(kind);
  }
  return std::nullopt;
}

struct TypeVerdict {
  bool valid = false;
  bool is_variable = false;
};

TypeVerdict check_type(const PyValue& value, const std::vector<PyValue>& accepted, Kind expected, std::optional<Kind> nested) {
  std::optional<Kind> accepted_kind;
  for (const PyValue& one : accepted)
    if (!is_blank_text(one)) {
      accepted_kind = one.kind;
      break;
    }
  bool is_variable = accepted_kind && *accepted_kind != expected;
  if (value.kind == expected) {
    if (!nested) return {true, is_variable};
    for (const PyValue& one : accepted) {
      bool fits = !one.is(Kind::list) || std::all_of(value.items.begin(), value.items.end(), [&](const PyValue& item) {
        return check_type(item, one.items, *nested, std::nullopt).valid;
      });
      if (fits) return {true, is_variable};
    }
    return {false, false};
  }
  bool as_accepted = accepted_kind && value.kind == *accepted_kind;
  return {as_accepted, as_accepted};
}

Fault check_list(const std::string& name, const PyValue& value, const std::vector<PyValue>& accepted) {
  PyValue wanted = PyValue::of_kind(Kind::list);
  for (const PyValue& item : value.items) wanted.items.push_back(standardised(item));
  for (const PyValue& one : accepted) {
    PyValue list = PyValue::of_kind(Kind::list);
    for (const PyValue& item : iterated(one)) list.items.push_back(standardised(item));
    if (py_equal(list, wanted)) return std::nullopt;
  }
  return fault(FailureClass::wrong_value, fmt::format("'{}' is {}", name, shown(value)));
}

// The value of one dict against one accepted dict {key: [accepted values]}.
Fault check_against_dict(const std::string& name, const PyValue& value, const PyValue& accepted) {
  for (size_t i = 0; i < value.keys.size(); ++i) {
    std::string key = value.keys[i].is(Kind::text) ? value.keys[i].text : shown(value.keys[i]);
    const PyValue* allowed = value.keys[i].is(Kind::text) ? accepted.find(key) : nullptr;
    if (!allowed) return fault(FailureClass::unknown_parameter, fmt::format("'{}' has no key '{}'", name, printable(key.substr(0, 80))));
    std::vector<PyValue> values;
    for (const PyValue& one : iterated(*allowed)) values.push_back(standardised(one));
    if (!contains(values, standardised(value.items[i])))
      return fault(FailureClass::wrong_value, fmt::format("'{}.{}' is {}", name, key, shown(value.items[i])));
  }
  for (size_t i = 0; i < accepted.keys.size(); ++i)
    if (!value.find(accepted.keys[i].text) && !contains(iterated(accepted.items[i]), PyValue::of(std::string())))
      return fault(FailureClass::missing_parameter, fmt::format("'{}.{}' is missing", name, accepted.keys[i].text));
  return std::nullopt;
}

Fault check_dict(const std::string& name, const PyValue& value, const std::vector<PyValue>& accepted) {
  Fault last = fault(FailureClass::wrong_value, fmt::format("'{}' is {}", name, shown(value)));
  for (const PyValue& one : accepted) {
    if (is_blank_text(one)) continue;
    last = check_against_dict(name, value, one);
    if (!last) return std::nullopt;
  }
  return last;
}

Fault check_dict_list(const std::string& name, const PyValue& value, const std::vector<PyValue>& accepted) {
  Fault last = fault(FailureClass::wrong_value, fmt::format("'{}' is {}", name, shown(value)));
  for (const PyValue& one : accepted) {
    std::vector<PyValue> wanted = iterated(one);
    if (value.items.size() != wanted.size()) {
      last = fault(FailureClass::wrong_value, fmt::format("'{}' has {} items", name, value.items.size()));
      continue;
    }
    bool right = true;
    for (size_t i = 0; i < wanted.size() && right; ++i) {
      // Items are dicts here, or typed like the accepted ones.
      last = value.items[i].is(Kind::dict) ? check_dict(name, value.items[i], {wanted[i]}) : fault(FailureClass::wrong_type, fmt::format("'{}[{}]' is no dict", name, i));
      right = !last;
    }
    if (right) return std::nullopt;
  }
  return last;
}

class SimpleChecker {
 public:
  SimpleChecker(const AstCheck& check, const Json& function, const PyValue& accepted)
      : check_(check), accepted_(accepted) {
    if (function.is_object() && function.contains("parameters") && function["parameters"].is_object()) schema_ = &function["parameters"];
  }

  Fault run(const Call& call) const {
    const PyValue& given = call.arguments;
    if (schema_ && schema_->contains("required") && (*schema_)["required"].is_array())
      for (const Json& name : (*schema_)["required"])
        if (name.is_string() && !given.find(name.get<std::string>()))
          return fault(FailureClass::missing_parameter, fmt::format("'{}' is missing", name.get<std::string>()));
    for (size_t i = 0; i < given.keys.size(); ++i)
      if (Fault wrong = parameter(given.keys[i], given.items[i])) return wrong;
    for (size_t i = 0; i < accepted_.keys.size(); ++i)
      if (!given.find(accepted_.keys[i].text) && !contains(accepted_.items[i].items, PyValue::of(std::string())))
        return fault(FailureClass::missing_parameter, fmt::format("'{}' is missing", accepted_.keys[i].text));
    return std::nullopt;
  }

 private:
  Fault parameter(const PyValue& key, const PyValue& given) const {
    const PyValue* accepted = key.is(Kind::text) ? accepted_.find(key.text) : nullptr;
    const Json* doc = nullptr;
    if (schema_ && schema_->contains("properties") && (*schema_)["properties"].is_object() && key.is(Kind::text)) {
      auto it = (*schema_)["properties"].find(key.text);
      if (it != (*schema_)["properties"].end()) doc = &*it;
    }
    if (!accepted || !doc) return fault(FailureClass::unknown_parameter, fmt::format("there is no parameter '{}'", key.is(Kind::text) ? printable(key.text.substr(0, 80)) : "**"));
    std::string type = json_string(*doc, "type");
    std::string item_type = doc->contains("items") ? json_string((*doc)["items"], "type") : "";
    auto expected = kind_of_type(check_.language, type);
    bool is_list = check_.language == CallLanguage::python ? type == "array" || type == "tuple" : type == "Array" || type == "ArrayList" || type == "array";
    auto nested = is_list ? kind_of_type(check_.language, item_type) : std::nullopt;
    if (!expected || (is_list && !nested)) return fault(FailureClass::wrong_type, fmt::format("'{}': the type '{}' of the function's doc cannot be checked", key.text, type));
    PyValue value = given;
    if (check_.language != CallLanguage::python) {
      if (!value.is(Kind::text)) return fault(FailureClass::wrong_type, fmt::format("'{}' is {} ({}), a literal as text was expected", key.text, py_type_name(value), shown(value)));
      auto read = check_.language == CallLanguage::java ? java_value(value.text, type, item_type) : javascript_value(value.text, type, item_type);
      if (!read) return fault(FailureClass::wrong_type, fmt::format("'{}': the type '{}' cannot be converted", key.text, type));
      value = std::move(*read);
    }
    if (type == "tuple" && value.is(Kind::tuple)) value.kind = Kind::list;
    if (check_.language == CallLanguage::python && type == "float" && value.is(Kind::integer)) value = PyValue::of(to_json(value).get<double>());
    return checked(key.text, value, accepted->items, *expected, nested, type);
  }

  static Fault checked(const std::string& name, const PyValue& value, const std::vector<PyValue>& accepted, Kind expected,
                       std::optional<Kind> nested, const std::string& type) {
    TypeVerdict verdict = check_type(value, accepted, expected, nested);
    if (!verdict.valid) return fault(FailureClass::wrong_type, fmt::format("'{}' is {} ({}), {} was expected", name, py_type_name(value), shown(value), type));
    if (!verdict.is_variable) {
      if (expected == Kind::dict) return check_dict(name, value, accepted);
      if (expected == Kind::list && nested == Kind::dict) return check_dict_list(name, value, accepted);
      if (expected == Kind::list) return check_list(name, value, accepted);
      if (expected == Kind::text) {
        std::vector<PyValue> texts;
        for (const PyValue& one : accepted)
          if (one.is(Kind::text)) texts.push_back(standardised(one));
        if (contains(texts, standardised(value))) return std::nullopt;
        return fault(FailureClass::wrong_value, fmt::format("'{}' is {}", name, shown(value)));
      }
    }
    if (contains(accepted, value)) return std::nullopt;
    return fault(FailureClass::wrong_value, fmt::format("'{}' is {}", name, shown(value)));
  }

  const AstCheck& check_;
  const PyValue& accepted_;
  const Json* schema_ = nullptr;
};

// One call against one accepted call {name: {…}}.
Fault check_one(const AstCheck& check, const Json& functions, const Call& call, const Json& accepted) {
  if (!accepted.is_object() || accepted.empty()) return fault(FailureClass::wrong_value, "the doc accepts no call");
  std::string name = accepted.begin().key();
  std::string offered = check.underscored_names ? underscored(name) : name;
  const Json* function = check.category == CallCategory::simple ? &functions.at(0) : find_tool(functions, name);
  if (check.category == CallCategory::simple) offered = check.underscored_names ? underscored(json_string(*function, "name")) : json_string(*function, "name");
  if (call.name != offered) {
    bool known = std::any_of(functions.begin(), functions.end(), [&](const Json& f) {
      std::string own = json_string(f, "name");
      return call.name == (check.underscored_names ? underscored(own) : own);
    });
    return known ? fault(FailureClass::wrong_function, fmt::format("'{}' was called, '{}' was due", call.name, offered))
                 : fault(FailureClass::unknown_function, fmt::format("there is no function '{}'", printable(call.name.substr(0, 80))));
  }
  if (!function) return fault(FailureClass::unknown_function, fmt::format("the doc has no function '{}'", name));
  PyValue values = py_value_of(accepted.begin().value());
  return SimpleChecker(check, *function, values).run(call);
}

// Nearer to right than others: a fault of a value tells more than one of a name.
int nearness(FailureClass c) {
  switch (c) {
    case FailureClass::unknown_function:
    case FailureClass::wrong_function: return 0;
    case FailureClass::missing_parameter:
    case FailureClass::unknown_parameter: return 1;
    case FailureClass::wrong_type: return 2;
    default: return 3;
  }
}

Fault check_parallel(const AstCheck& check, const Json& functions, const std::vector<Call>& calls, const Json& accepted) {
  std::vector<bool> used(calls.size());
  for (const Json& one : accepted) {
    Fault nearest;
    bool matched = false;
    for (size_t i = 0; i < calls.size() && !matched; ++i) {
      if (used[i]) continue;
      Fault wrong = check_one(check, functions, calls[i], one);
      matched = !wrong;
      used[i] = matched;
      if (wrong && (!nearest || nearness(wrong->failure_class) > nearness(nearest->failure_class))) nearest = std::move(wrong);
    }
    if (!matched) return nearest ? nearest : fault(FailureClass::wrong_call_count, "a call is missing");
  }
  return std::nullopt;
}

}  // namespace

std::optional<CallCategory> call_category_from(std::string_view name) {
  if (name == "simple") return CallCategory::simple;
  if (name == "multiple") return CallCategory::multiple;
  if (name == "parallel") return CallCategory::parallel;
  return std::nullopt;
}

std::optional<CallLanguage> call_language_from(std::string_view name) {
  if (name == "python") return CallLanguage::python;
  if (name == "java") return CallLanguage::java;
  if (name == "javascript") return CallLanguage::javascript;
  return std::nullopt;
}

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::optional<CallFault> check_calls(const AstCheck& check, const Json& functions, const std::vector<Call>& calls, const Json& accepted) {
  if (!functions.is_array() || functions.empty() || !accepted.is_array() || accepted.empty())
    return fault(FailureClass::wrong_value, "the doc has no functions or accepts no call");
  size_t due = check.category == CallCategory::parallel ? accepted.size() : 1;
  if (calls.size() != due) return fault(FailureClass::wrong_call_count, fmt::format("{} calls, {} due", calls.size(), due));
  if (check.category == CallCategory::parallel) return check_parallel(check, functions, calls, accepted);
  return check_one(check, functions, calls[0], accepted[0]);
}

}  // namespace qeval
