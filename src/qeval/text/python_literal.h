#pragma once

#include <string>
#include <string_view>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

std::string python_repr(const Json& value);    // repr(): 'a', [1, 'b'], None, True, 1.0, {'k': 1}
std::string python_str(const Json& value);     // str(): strings bare, else repr
std::string python_float_repr(double value);   // shortest round-trip, Python's exponent rules
Result<Json> python_literal_eval(std::string_view text);  // ast.literal_eval for str, numbers, list, tuple, dict, bool, None

}  // namespace qeval
