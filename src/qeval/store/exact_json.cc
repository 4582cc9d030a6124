#include "qeval/store/exact_json.h"

#include <cmath>
#include <limits>
#include <utility>

namespace qeval {
namespace {

constexpr std::string_view kMark = "\xF4\x8F\xBF\xBE";  // U+10FFFE
constexpr char kHex[] = "0123456789abcdef";
// Values are at most 512 deep when they come from files; the store wraps them a few levels more.
constexpr int kMaxDepth = 1024;

bool continuation(std::string_view text, size_t at, unsigned char low = 0x80, unsigned char high = 0xBF) {
  if (at >= text.size()) return false;
  auto byte = static_cast<unsigned char>(text[at]);
  return byte >= low && byte <= high;
}

// Bytes of the well-formed sequence at `i` (Unicode 15, table 3-7), 0 if there is none.
size_t sequence_length(std::string_view text, size_t i) {
  auto lead = static_cast<unsigned char>(text[i]);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continuation(text, i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    unsigned char low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
    return continuation(text, i + 1, low, high) && continuation(text, i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    unsigned char low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
    return continuation(text, i + 1, low, high) && continuation(text, i + 2) && continuation(text, i + 3) ? 4 : 0;
  }
  return 0;
}

bool plain(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t n = sequence_length(text, i);
    if (n == 0 || (n == 4 && text.substr(i, 4) == kMark)) return false;
    i += n;
  }
  return true;
}

std::string escape(const std::string& text) {
  if (plain(text)) return text;
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t n = sequence_length(text, i);
    if (n == 0) {
      auto byte = static_cast<unsigned char>(text[i++]);
      out.append(kMark);
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
      continue;
    }
    out.append(text, i, n);
    if (n == 4 && std::string_view(text).substr(i, 4) == kMark) out += "--";
    i += n;
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Result<std::string> unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t mark = text.find(kMark, i);
    out.append(text, i, mark == std::string::npos ? std::string::npos : mark - i);
    if (mark == std::string::npos) break;
    std::string_view code = std::string_view(text).substr(mark + kMark.size(), 2);
    if (code == "--") {
      out.append(kMark);
    } else if (code.size() == 2 && hex_value(code[0]) >= 8 && hex_value(code[1]) >= 0) {
      out += static_cast<char>(hex_value(code[0]) * 16 + hex_value(code[1]));
    } else {
      return bad_input("stored JSON has a broken escape");
    }
    i = mark + kMark.size() + 2;
  }
  return out;
}

Json number_mark(double value) {
  std::string_view name = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return std::string(kMark).append(name);
}

bool needs_escape(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return !plain(value.get_ref<const std::string&>());
    case Json::value_t::number_float:
      return !std::isfinite(value.get<double>());
    case Json::value_t::array:
      for (const Json& item : value)
        if (needs_escape(item)) return true;
      return false;
    case Json::value_t::object:
      for (const auto& [key, item] : value.items())
        if (!plain(key) || needs_escape(item)) return true;
      return false;
    default:
      return false;
  }
}

Result<Json> unescape_json(Json value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (text.find(kMark) == std::string::npos) return value;
    std::string_view rest = std::string_view(text).substr(std::min(kMark.size(), text.size()));
    if (text.starts_with(kMark)) {
      if (rest == "nan") return Json(std::numeric_limits<double>::quiet_NaN());
      if (rest == "inf") return Json(std::numeric_limits<double>::infinity());
      if (rest == "-inf") return Json(-std::numeric_limits<double>::infinity());
    }
    QEVAL_TRY(std::string plain_text, unescape(text));
    return Json(std::move(plain_text));
  }
  if (value.is_array()) {
    for (Json& item : value) {
      QEVAL_TRY(item, unescape_json(std::move(item)));
    }
    return value;
  }
  if (!value.is_object()) return value;
  Json::object_t items;  // built pair by pair: operator[] of an ordered object searches all keys
  for (auto& [key, item] : value.get_ref<Json::object_t&>()) {
    QEVAL_TRY(std::string plain_key, unescape(key));
    QEVAL_TRY(Json plain_item, unescape_json(std::move(item)));
    items.push_back({std::move(plain_key), std::move(plain_item)});
  }
  return Json(std::move(items));
}

}  // namespace

Json escape_json(const Json& value) {
  if (!needs_escape(value)) return value;
  if (value.is_string()) return escape(value.get_ref<const std::string&>());
  if (value.is_number_float()) return number_mark(value.get<double>());
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value) out.push_back(escape_json(item));
    return out;
  }
  Json::object_t items;
  for (const auto& [key, item] : value.items()) items.push_back({escape(key), escape_json(item)});
  return Json(std::move(items));
}

std::string encode_json(const Json& value) { return dump_json(escape_json(value)); }

Result<Json> decode_json(std::string_view text) {
  QEVAL_TRY(Json value, parse_json(text, kMaxDepth));
  if (text.find(kMark) == std::string_view::npos) return value;
  return unescape_json(std::move(value));
}

}  // namespace qeval
