#pragma once

#include <string>
#include <string_view>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// YAML to JSON with scalars resolved as PyYAML's SafeLoader (YAML 1.1): unquoted yes/no/on/off are booleans,
// 0o/0x/1_000 integers, 1e3 is a string, 1.0e+3 a float, ~ null. Anchors and merge keys work.
// `!function module.name` becomes {"!function": "module.name"}; other tags are errors.
// Error (bad_input): "file:line:column: message". Bounded in depth and alias expansion.
Result<Json> parse_yaml(std::string_view text, const std::string& file);
// Line (1-based) where top-level `key` stands in `text`; 0 if absent. For messages about a key's value.
int yaml_key_line(std::string_view text, const std::string& key);

}  // namespace qeval
