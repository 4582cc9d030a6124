#include "qeval/util/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

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
  return fmt::format("line {}, column {}", line, std::max<size_t>(column, 1));
}

// Builds the value as the library's own parser does, but finds repeated keys of large objects by hash: its ordered map
// searches all keys at each insertion, which hostile input turns into minutes. The last value of a repeated key wins.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(Json& root) : root_(root) {}
  bool null() override { return put(nullptr); }
  bool boolean(bool v) override { return put(v); }
  bool number_integer(number_integer_t v) override { return put(v); }
  bool number_unsigned(number_unsigned_t v) override { return put(v); }
  bool number_float(number_float_t v, const string_t&) override { return put(v); }
  bool string(string_t& v) override { return put(std::move(v)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { open_.pop_back(); return true; }
  bool end_array() override { open_.pop_back(); return true; }
  bool key(string_t& name) override {
    Level& level = open_.back();
    auto& members = level.value->get_ref<Json::object_t&>();
    if (level.index.empty() && members.size() >= kIndexed)
      for (size_t i = 0; i < members.size(); ++i) level.index.emplace(members.begin()[static_cast<std::ptrdiff_t>(i)].first, i);
    size_t at = members.size();
    if (!level.index.empty()) at = level.index.emplace(name, at).first->second;
    else at = static_cast<size_t>(std::find_if(members.begin(), members.end(), [&](auto& m) { return m.first == name; }) - members.begin());
    if (at == members.size()) members.emplace_back(std::move(name), Json());
    level.slot = &members.begin()[static_cast<std::ptrdiff_t>(at)].second;
    return true;
  }
  bool parse_error(size_t byte, const std::string&, const nlohmann::detail::exception& e) override {
    byte_ = byte;
    what_ = e.what();  // "[json.exception.KIND.NUMBER] ", for parse errors then "parse error at line L, column C: "
    size_t start = what_.find("] ");
    size_t place = what_.find("parse error at ");
    if (place != std::string::npos) start = what_.find(": ", place);
    if (start != std::string::npos) what_.erase(0, start + 2);
    return false;
  }
  size_t error_byte() const { return byte_; }
  const std::string& error() const { return what_; }

 private:
  static constexpr size_t kIndexed = 32;
  struct Level {
    Json* value;
    Json* slot = nullptr;                        // where the value of the last key goes
    std::unordered_map<std::string, size_t> index;
  };
  Json* place(Json value) {
    Json* at = &root_;
    if (!open_.empty()) {
      Level& level = open_.back();
      if (level.value->is_array()) {
        level.value->get_ref<Json::array_t&>().emplace_back();
        at = &level.value->get_ref<Json::array_t&>().back();
      } else {
        at = level.slot;
      }
    }
    *at = std::move(value);
    return at;
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json empty) {
    open_.push_back({place(std::move(empty)), nullptr, {}});
    return true;
  }
  Json& root_;
  std::vector<Level> open_;
  size_t byte_ = 0;
  std::string what_;
};

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
  Json value;
  Builder builder(value);
  if (Json::sax_parse(text.begin(), text.end(), &builder)) {
    const size_t nul = text.find('\0');  // the library takes it for the end
    if (nul == std::string_view::npos) return value;
    return bad_input(fmt::format("not valid JSON at {}: a NUL byte", position(text, nul)));
  }
  return bad_input(fmt::format("not valid JSON at {}: {}", position(text, builder.error_byte()), builder.error()));
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
Json json_object(const Json& object, const std::string& key) {
  const Json* v = find(object, key);
  return v && v->is_object() ? *v : Json::object();
}

std::string json_text(const Json& value) { return value.is_string() ? value.get<std::string>() : dump_json(value); }

}  // namespace qeval
