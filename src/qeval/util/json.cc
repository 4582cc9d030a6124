#include "qeval/util/json.h"

#include <fmt/format.h>

#include <algorithm>

namespace qeval {
namespace {

// Depth is checked before parsing: the library recurses when it destroys deep values.
bool too_deep(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

std::string position(std::string_view text, size_t byte) {
  byte = std::min(byte, text.size());
  size_t line = 1 + std::count(text.begin(), text.begin() + byte, '\n');
  size_t start = text.rfind('\n', byte == 0 ? 0 : byte - 1);
  size_t column = start == std::string_view::npos || start >= byte ? byte : byte - start;
  return fmt::format("line {}, column {}", line, column);
}

nlohmann::json sorted(const Json& value) {
  if (value.is_object()) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [key, item] : value.items()) out[key] = sorted(item);
    return out;
  }
  if (value.is_array()) {
    nlohmann::json out = nlohmann::json::array();
    for (const auto& item : value) out.push_back(sorted(item));
    return out;
  }
  return nlohmann::json(value);
}

const Json* find(const Json& object, const std::string& key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

}  // namespace

Result<Json> parse_json(std::string_view text, int max_depth) {
  if (too_deep(text, max_depth)) return bad_input(fmt::format("JSON is nested deeper than {}", max_depth));
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& e) {
    std::string what = e.what();
    size_t colon = what.rfind(": ");
    return bad_input(fmt::format("not valid JSON at {}: {}", position(text, e.byte),
                                 colon == std::string::npos ? what : what.substr(colon + 2)));
  } catch (const Json::exception& e) {
    return bad_input(fmt::format("not valid JSON: {}", e.what()));
  }
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string canonical_json(const Json& value) {
  return sorted(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_string(const Json& object, const std::string& key, const std::string& fallback) {
  const Json* v = find(object, key);
  return v && v->is_string() ? v->get<std::string>() : fallback;
}
double json_number(const Json& object, const std::string& key, double fallback) {
  const Json* v = find(object, key);
  return v && v->is_number() ? v->get<double>() : fallback;
}
int64_t json_int(const Json& object, const std::string& key, int64_t fallback) {
  const Json* v = find(object, key);
  return v && v->is_number_integer() ? v->get<int64_t>() : fallback;
}
bool json_bool(const Json& object, const std::string& key, bool fallback) {
  const Json* v = find(object, key);
  return v && v->is_boolean() ? v->get<bool>() : fallback;
}

}  // namespace qeval
