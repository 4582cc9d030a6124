#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qeval/text/python_value.h"
#include "qeval/tools/calls.h"

namespace qeval {

// Where a JSON object or array that begins at `begin` ends, by brackets and strings alone.
struct JsonSpan {
  size_t begin = 0, end = 0;          // bytes; end: one behind the closing bracket, or the text's end
  bool closed = false;
  bool unterminated_string = false;   // the text ends inside the string that begins at `string_begin`
  size_t string_begin = 0;
};
// Linear. `text[from]` is '{' or '['.
JsonSpan scan_json(std::string_view text, size_t from);

struct JsonReading {
  PyValue value;
  std::optional<CallFault> fault;     // set: value is none
};
// One JSON value and nothing else but white space. Faults: unterminated_string (where it begins), invalid_json (line and
// column; the text ends early; nested deeper than 512), surrounding_text (what follows a complete value),
// code_fence (a fenced block holds it). Integers of any size stay exact; of equal keys the last wins. Linear.
JsonReading read_json(std::string_view text);

inline constexpr int kMaxJsonDepth = 512;

}  // namespace qeval
