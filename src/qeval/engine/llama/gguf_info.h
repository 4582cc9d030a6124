#pragma once

#include <string>

#include "qeval/core/model_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// Paths of all parts of a split GGUF ("…-00001-of-00003.gguf"), or the path alone.
std::vector<std::string> gguf_parts(const std::string& path);

}  // namespace qeval
