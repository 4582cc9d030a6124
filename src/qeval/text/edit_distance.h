#pragma once

#include <cstddef>
#include <string_view>

namespace qeval {

// Levenshtein distance in bytes. Time is the product of the lengths: callers bound what a user typed.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace qeval
