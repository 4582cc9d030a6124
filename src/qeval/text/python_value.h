#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qeval/util/json.h"

namespace qeval {

// A value as Python keeps it, where JSON would lose what decides a verdict: tuple or list, integers of any size, dict
// keys that are no strings. Plain value; nested at most as deep as its parser allows, so that recursion over it is safe.
struct PyValue {
  enum class Kind { none, boolean, integer, real, text, list, tuple, dict, other };
  Kind kind = Kind::none;
  bool truth = false;
  int64_t whole = 0;
  double number = 0;
  std::string text;             // text; integer beyond 64 bits: its digits; other: Python's type name (bytes, complex)
  std::vector<PyValue> items;   // list, tuple; dict: the values
  std::vector<PyValue> keys;    // dict: no two equal, in order of first appearance

  static PyValue of(bool value);
  static PyValue of(int64_t value);
  static PyValue of(double value);
  static PyValue of(std::string value);
  static PyValue of_kind(Kind kind, std::string text = {});

  bool is(Kind k) const { return kind == k; }
  bool is_number() const { return is(Kind::boolean) || is(Kind::integer) || is(Kind::real); }
  // Of a dict: the value at a text key, or null. Linear.
  const PyValue* find(std::string_view key) const;
};

// Python's ==: True == 1 == 1.0, a list never equals a tuple, order of dict keys does not matter.
bool py_equal(const PyValue& a, const PyValue& b);
// Name of type(value): NoneType, bool, int, float, str, list, tuple, dict.
std::string py_type_name(const PyValue& value);

PyValue py_value_of(const Json& json);
// Tuples become arrays, keys their str(), integers beyond 64 bits floats, other values null.
Json to_json(const PyValue& value);

// Builds a dict in linear time: of equal keys the last value stays at the first place, as Python does.
class PyDictBuilder {
 public:
  void add(PyValue key, PyValue value);
  PyValue take();

 private:
  PyValue dict_ = PyValue::of_kind(PyValue::Kind::dict);
  std::unordered_map<std::string, std::vector<size_t>> index_;
};

}  // namespace qeval
