#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "qeval/text/python_value.h"

namespace qeval {

// f(a=1, b=[2]) with its keyword arguments; positional ones are dropped. `**x` stands under the key None.
struct PyCall {
  std::string name;    // dotted
  PyValue arguments;   // dict
};

struct PyCallFault {
  std::string message;               // what was expected, or why a value cannot be read
  size_t offset = 0;                 // bytes
  bool unterminated_string = false;  // a string never ends
  bool ended = false;                // the text ended before the expression did
};

// Reads a Python call or list of calls, "[f(x=1), g(y='a')]", as the function-calling benchmarks do from CPython's syntax tree.
// Values: literals; names (their text); calls without keywords and subscripts (their source, as ast.unparse writes it);
// calls with keywords ({name: {…}}); a sign in front of a literal always negates (-5, +5 and ~5 are -5, as there);
// arithmetic over literals is worked out. Refused though CPython parses them: comprehensions, lambdas, f-strings,
// conditionals, comparisons, arithmetic that calls or names anything (nothing that a model wrote is executed), and
// nesting deeper than 200. Linear in the text.
tl::expected<std::vector<PyCall>, PyCallFault> read_python_calls(std::string_view text);

}  // namespace qeval
