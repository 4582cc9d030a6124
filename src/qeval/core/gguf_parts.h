#pragma once

#include <string>
#include <vector>

namespace qeval {

// Paths of all parts of a GGUF, in order, by its name alone: NAME-00001-of-0000N.gguf … where `path` is a part of a split
// file, else `path` itself. No file is looked at.
std::vector<std::string> gguf_parts(const std::string& path);

}  // namespace qeval
