#pragma once

#include <string>
#include <vector>

namespace qeval {

// "; did you mean a, b?" with up to three known names that are within a third of edits, or hold `name` or are held by
// it; "" where none is near.
std::string near_names(const std::string& name, const std::vector<std::string>& known);

}  // namespace qeval
