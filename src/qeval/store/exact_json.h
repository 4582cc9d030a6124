#pragma once

#include <string>
#include <string_view>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// JSON text that gives back the same value to the bit. JSON itself knows neither invalid UTF-8 (model output has it)
// nor NaN and infinities; both are written with the noncharacter U+10FFFE as an escape mark:
//   an invalid byte      mark + two lower-case hex digits
//   the mark itself      mark + "--"
//   NaN, inf, -inf       a string of the mark + "nan", "inf" or "-inf"
// Ordinary values look like ordinary JSON. Different values give different text.
std::string encode_json(const Json& value);
// Error (bad_input) for text that is not JSON, is nested too deep, or has a broken escape.
Result<Json> decode_json(std::string_view text);
// The same value with escapes applied, so that canonical_json() of it loses nothing.
Json escape_json(const Json& value);

}  // namespace qeval
