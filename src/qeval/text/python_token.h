#pragma once

#include <string>
#include <string_view>

#include "qeval/text/python_value.h"

// Internal to text/: Python's string and number tokens, for literals and expressions.
namespace qeval {

// What was expected where a token is broken; "" = read.
using TokenFault = std::string;

// Characters before the quote (r, b, u, f …) plus one; 0 where no string begins at `at`.
size_t python_string_prefix(std::string_view text, size_t at);

struct PythonString {
  std::string text;
  bool bytes = false;
  bool format = false;  // an f-string: its text is not evaluated
};
// One string token from its prefix on; `at` moves behind it, or to the fault. "the closing quote": it never ends.
TokenFault read_python_string(std::string_view text, size_t& at, PythonString& out);

// A number without sign: int of any size, float, or `other` (complex).
TokenFault read_python_number(std::string_view text, size_t& at, PyValue& out);

// Spaces, comments and joined lines; line ends too inside brackets.
void skip_python_space(std::string_view text, size_t& at, bool inside_brackets);

// -value; an integer that leaves 64 bits keeps its digits.
PyValue py_negative(const PyValue& number);

}  // namespace qeval
