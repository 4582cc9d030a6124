#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/failure_class.h"
#include "qeval/text/python_value.h"
#include "qeval/util/json.h"

namespace qeval {

// A function call that an answer makes.
struct Call {
  std::string name;
  PyValue arguments = PyValue::of_kind(PyValue::Kind::dict);
  Json arguments_json() const { return to_json(arguments); }
};

// What is wrong with an answer or a call: the class, and where and what for people.
struct CallFault {
  FailureClass failure_class = FailureClass::invalid_json;
  std::string detail;
};

// A value in a message: JSON, cut at about 80 bytes.
std::string shown(const PyValue& value);

// f(a=1, b='x'), one call after the other, for people; at most about `max_bytes`.
std::string calls_text(const std::vector<Call>& calls, size_t max_bytes = 2000);

// Holds a call against an OpenAI tool list: unknown function, missing or unknown parameter, wrong type (items and
// nested properties too; an integer is a number, 5.0 is no integer), a value outside of `enum`. nullopt = it may be
// made. A tool without "properties" takes anything. Thread-safe.
std::optional<CallFault> check_call(const Call& call, const Json& tools);

// The function doc of a tool list's entry, bare docs too; null where there is none of that name.
const Json* find_tool(const Json& tools, const std::string& name);

}  // namespace qeval
