#pragma once

#include <string>
#include <vector>

namespace qeval {

// "; near: a, b, c", or "" where nothing is near. Up to three, by edit distance or common part.
std::string near_matches_text(const std::string& wanted, const std::vector<std::string>& known);

}  // namespace qeval
