#include "qeval/text/python_value.h"

#include <cmath>
#include <cstdlib>
#include <utility>

#include "qeval/text/python_literal.h"

namespace qeval {
namespace {

using ValueKind = PyValue::Kind;

long double exact(const PyValue& v) {
  if (v.is(ValueKind::boolean)) return v.truth ? 1 : 0;
  if (v.is(ValueKind::real)) return v.number;
  return v.text.empty() ? static_cast<long double>(v.whole) : std::strtold(v.text.c_str(), nullptr);
}

bool equal_numbers(const PyValue& a, const PyValue& b) {
  if (!a.text.empty() && !b.text.empty()) return a.text == b.text;
  return exact(a) == exact(b);
}

bool equal_dicts(const PyValue& a, const PyValue& b) {
  if (a.keys.size() != b.keys.size()) return false;
  for (size_t i = 0; i < a.keys.size(); ++i) {
    bool found = false;
    // Most often the order is the same.
    for (size_t step = 0; step < b.keys.size() && !found; ++step) {
      size_t j = (i + step) % b.keys.size();
      found = py_equal(a.keys[i], b.keys[j]);
      if (found && !py_equal(a.items[i], b.items[j])) return false;
    }
    if (!found) return false;
  }
  return true;
}

// Equal keys have equal hash texts: 1, 1.0 and True are one key.
std::string hash_text(const PyValue& key) {
  if (key.is(ValueKind::text)) return "s" + key.text;
  if (key.is_number()) return key.text.empty() ? "n" + std::to_string(static_cast<double>(exact(key))) : "b" + key.text;
  std::string out(1, static_cast<char>('0' + static_cast<int>(key.kind)));
  for (const PyValue& item : key.items) out += hash_text(item) + "\x1f";
  return out;
}

}  // namespace

PyValue PyValue::of(bool value) {
  PyValue out;
  out.kind = ValueKind::boolean;
  out.truth = value;
  return out;
}
PyValue PyValue::of(int64_t value) {
  PyValue out;
  out.kind = ValueKind::integer;
  out.whole = value;
  return out;
}
PyValue PyValue::of(double value) {
  PyValue out;
  out.kind = ValueKind::real;
  out.number = value;
  return out;
}
PyValue PyValue::of(std::string value) { return of_kind(ValueKind::text, std::move(value)); }
PyValue PyValue::of_kind(ValueKind kind, std::string text) {
  PyValue out;
  out.kind = kind;
  out.text = std::move(text);
  return out;
}

const PyValue* PyValue::find(std::string_view key) const {
  if (!is(ValueKind::dict)) return nullptr;
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i].is(ValueKind::text) && keys[i].text == key) return &items[i];
  return nullptr;
}

bool py_equal(const PyValue& a, const PyValue& b) {
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case ValueKind::none: return true;
    case ValueKind::text: return a.text == b.text;
    case ValueKind::dict: return equal_dicts(a, b);
    case ValueKind::list:
    case ValueKind::tuple:
      if (a.items.size() != b.items.size()) return false;
      for (size_t i = 0; i < a.items.size(); ++i)
        if (!py_equal(a.items[i], b.items[i])) return false;
      return true;
    default: return false;
  }
}

std::string py_type_name(const PyValue& value) {
  switch (value.kind) {
    case ValueKind::none: return "NoneType";
    case ValueKind::boolean: return "bool";
    case ValueKind::integer: return "int";
    case ValueKind::real: return "float";
    case ValueKind::text: return "str";
    case ValueKind::list: return "list";
    case ValueKind::tuple: return "tuple";
    case ValueKind::dict: return "dict";
    case ValueKind::other: return value.text;
  }
  return "object";
}

PyValue py_value_of(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return PyValue::of(json.get<bool>());
    case Json::value_t::number_integer: return PyValue::of(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      uint64_t value = json.get<uint64_t>();
      if (value <= INT64_MAX) return PyValue::of(static_cast<int64_t>(value));
      return PyValue::of_kind(ValueKind::integer, std::to_string(value));
    }
    case Json::value_t::number_float: return PyValue::of(json.get<double>());
    case Json::value_t::string: return PyValue::of(json.get<std::string>());
    case Json::value_t::array: {
      PyValue out = PyValue::of_kind(ValueKind::list);
      for (const Json& item : json) out.items.push_back(py_value_of(item));
      return out;
    }
    case Json::value_t::object: {
      PyValue out = PyValue::of_kind(ValueKind::dict);
      for (const auto& [key, value] : json.items()) {
        out.keys.push_back(PyValue::of(key));
        out.items.push_back(py_value_of(value));
      }
      return out;
    }
    default: return {};
  }
}

Json to_json(const PyValue& value) {
  switch (value.kind) {
    case ValueKind::boolean: return value.truth;
    case ValueKind::integer: return value.text.empty() ? Json(value.whole) : Json(static_cast<double>(exact(value)));
    case ValueKind::real: return value.number;
    case ValueKind::text: return value.text;
    case ValueKind::list:
    case ValueKind::tuple: {
      Json out = Json::array();
      for (const PyValue& item : value.items) out.push_back(to_json(item));
      return out;
    }
    case ValueKind::dict: {
      // Json's ordered object looks keys up one by one; building it through operator[] would be quadratic.
      Json out = Json::object();
      auto& object = out.get_ref<Json::object_t&>();
      for (size_t i = 0; i < value.keys.size(); ++i) {
        const PyValue& key = value.keys[i];
        object.Container::emplace_back(key.is(ValueKind::text) ? key.text : python_str(to_json(key)), to_json(value.items[i]));
      }
      return out;
    }
    default: return nullptr;
  }
}

void PyDictBuilder::add(PyValue key, PyValue value) {
  std::vector<size_t>& same = index_[hash_text(key)];
  for (size_t i : same) {
    if (!py_equal(dict_.keys[i], key)) continue;
    dict_.items[i] = std::move(value);
    return;
  }
  same.push_back(dict_.keys.size());
  dict_.keys.push_back(std::move(key));
  dict_.items.push_back(std::move(value));
}

PyValue PyDictBuilder::take() {
  index_.clear();
  return std::exchange(dict_, PyValue::of_kind(ValueKind::dict));
}

}  // namespace qeval
