#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "qeval/util/result.h"

namespace qeval {

// Keys keep their order, integers and floats stay apart: both decide bytes of prompts and verdicts.
using Json = nlohmann::ordered_json;

// Error (bad_input) names line and column of the fault. Nesting deeper than `max_depth` is refused.
Result<Json> parse_json(std::string_view text, int max_depth = 512);

// Compact, keys in order; invalid UTF-8 becomes U+FFFD, never throws.
std::string dump_json(const Json& value, int indent = -1);
// Keys sorted at every level: equal values give equal bytes. For hashes only.
std::string canonical_json(const Json& value);

// Value at `key`, or `fallback` where absent, null or of another type.
std::string json_string(const Json& object, const std::string& key, const std::string& fallback = "");
double json_number(const Json& object, const std::string& key, double fallback = 0);
int64_t json_int(const Json& object, const std::string& key, int64_t fallback = 0);
bool json_bool(const Json& object, const std::string& key, bool fallback = false);
// The object at `key`, or an empty one.
Json json_object(const Json& object, const std::string& key);
// What people read: a string's own text, anything else as compact JSON.
std::string json_text(const Json& value);

}  // namespace qeval
