#pragma once

#include <string>

#include "qeval/util/json.h"

namespace qeval {

// json.dumps(value, indent=2, ensure_ascii=False) of Python.
std::string python_json(const Json& value);
// As lm-eval: SHA-256 of that.
std::string doc_hash(const Json& doc);

}  // namespace qeval
