#include "qeval/text/python_token.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "qeval/text/utf8.h"

namespace qeval {
namespace {

char peek(std::string_view text, size_t at) { return at < text.size() ? text[at] : '\0'; }

bool is_digit_of(char c, int base) {
  int value = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
  return value < base;
}

TokenFault read_escape(std::string_view text, size_t& at, std::string& out) {
  char c = peek(text, at + 1);
  if (at + 1 >= text.size()) return "a character after '\\'";
  static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
  if (size_t i = kNames.find(c); i != std::string_view::npos) {
    out += kValues[i];
    at += 2;
  } else if (c == '\n') {
    at += 2;
  } else if (c >= '0' && c <= '7') {
    uint32_t value = 0;
    for (++at; at < text.size() && value < 64 && is_digit_of(text[at], 8); ++at)
      value = value * 8 + static_cast<uint32_t>(text[at] - '0');
    append_utf8(out, value);
  } else if (c == 'x' || c == 'u' || c == 'U') {
    size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    std::string_view digits = text.substr(at + 2, n);
    uint32_t value = 0;
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() < n || ec != std::errc() || end != digits.data() + n || value > 0x10FFFF)
      return fmt::format("{} hexadecimal digits after \\{}", n, c);
    append_utf8(out, value);
    at += 2 + n;
  } else if (c == 'N') {
    return "no \\N{name} escape (not supported)";
  } else {
    out += '\\';
    ++at;
  }
  return {};
}

// Digits with single underscores between them; false where an underscore is misplaced.
bool read_digits(std::string_view text, size_t& at, std::string& out, int base) {
  while (is_digit_of(peek(text, at), base)) {
    out += text[at++];
    if (peek(text, at) == '_') {
      if (!is_digit_of(peek(text, at + 1), base)) return false;
      ++at;
    }
  }
  return true;
}

PyValue whole_number(const std::string& digits, int base) {
  uint64_t value = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (ec == std::errc() && value <= static_cast<uint64_t>(INT64_MAX)) return PyValue::of(static_cast<int64_t>(value));
  // Beyond 64 bits the digits themselves are the value; other bases only have to differ from every decimal number.
  return PyValue::of_kind(PyValue::Kind::integer, base == 10 ? digits : fmt::format("{}:{}", base, digits));
}

}  // namespace

size_t python_string_prefix(std::string_view text, size_t at) {
  for (size_t n = 0; n <= 2; ++n) {
    char c = peek(text, at + n);
    if (c == '\'' || c == '"') return n + 1;
    char lower = static_cast<char>(c | 32);
    if (lower != 'r' && lower != 'b' && lower != 'u' && lower != 'f') return 0;
  }
  return 0;
}

TokenFault read_python_string(std::string_view text, size_t& at, PythonString& out) {
  bool raw = false;
  for (size_t n = python_string_prefix(text, at); n > 1; --n, ++at) {
    char lower = static_cast<char>(text[at] | 32);
    if (lower == 'b') out.bytes = true;
    if (lower == 'f') out.format = true;
    if (lower == 'r') raw = true;
  }
  char quote = peek(text, at);
  auto closes = [&](bool triple) { return peek(text, at) == quote && (!triple || (peek(text, at + 1) == quote && peek(text, at + 2) == quote)); };
  bool triple = peek(text, at + 1) == quote && peek(text, at + 2) == quote;
  at += triple ? 3 : 1;
  while (at < text.size()) {
    char c = text[at];
    if (closes(triple)) {
      at += triple ? 3 : 1;
      return {};
    }
    if (c == '\n' && !triple) break;
    if (c != '\\') {
      // Python's tokenizer reads every kind of line end as \n.
      if (c == '\r') {
        if (!triple) break;
        out.text += '\n';
        at += peek(text, at + 1) == '\n' ? 2 : 1;
        continue;
      }
      out.text += c;
      ++at;
    } else if (raw) {
      out.text += c;
      ++at;
      if (at < text.size()) out.text += text[at++];
    } else if (TokenFault fault = read_escape(text, at, out.text); !fault.empty()) {
      return fault;
    }
  }
  return "the closing quote";
}

TokenFault read_python_number(std::string_view text, size_t& at, PyValue& out) {
  size_t start = at;
  int base = 10;
  if (peek(text, at) == '0' && std::string_view("xXoObB").find(peek(text, at + 1)) != std::string_view::npos && peek(text, at + 1) != '\0') {
    base = (peek(text, at + 1) | 32) == 'x' ? 16 : (peek(text, at + 1) | 32) == 'o' ? 8 : 2;
    at += 2;
    if (peek(text, at) == '_') ++at;
  }
  std::string digits;
  bool is_float = false;
  if (!read_digits(text, at, digits, base)) return "a digit";
  if (base == 10) {
    if (peek(text, at) == '.') {
      is_float = true;
      digits += text[at++];
      if (!read_digits(text, at, digits, 10)) return "a digit";
    }
    size_t sign = peek(text, at + 1) == '-' || peek(text, at + 1) == '+' ? 2 : 1;
    if ((peek(text, at) | 32) == 'e' && is_digit_of(peek(text, at + sign), 10)) {
      is_float = true;
      digits += text.substr(at, sign);
      at += sign;
      if (!read_digits(text, at, digits, 10)) return "an exponent";
    } else if ((peek(text, at) | 32) == 'e') {
      return "an exponent";
    }
    if (digits == "." || digits.empty()) return "a digit";
    if ((peek(text, at) | 32) == 'j') {
      ++at;
      out = PyValue::of_kind(PyValue::Kind::other, "complex");
      return {};
    }
    if (!is_float && digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) {
      at = start;
      return "an integer without leading zeros";
    }
  } else if (digits.empty()) {
    return "a digit";
  }
  char next = peek(text, at);
  if (next == '_' || (next >= '0' && next <= '9') || (next != '\0' && static_cast<unsigned char>(next) < 0x80 && py_is_alpha(static_cast<unsigned char>(next))))
    return "the end of the number";
  if (!is_float && base == 10) digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  out = is_float ? PyValue::of(std::strtod(digits.c_str(), nullptr)) : whole_number(digits, base);
  return {};
}

void skip_python_space(std::string_view text, size_t& at, bool inside_brackets) {
  while (at < text.size()) {
    char c = text[at];
    if (c == ' ' || c == '\t' || c == '\f' || (inside_brackets && (c == '\n' || c == '\r'))) {
      ++at;
    } else if (c == '\\' && peek(text, at + 1) == '\n') {
      at += 2;
    } else if (c == '#') {
      while (at < text.size() && text[at] != '\n') ++at;
    } else {
      break;
    }
  }
}

PyValue py_negative(const PyValue& number) {
  PyValue out = number;
  if (number.is(PyValue::Kind::boolean)) return PyValue::of(static_cast<int64_t>(number.truth ? -1 : 0));
  if (number.is(PyValue::Kind::real)) out.number = -number.number;
  if (!number.is(PyValue::Kind::integer)) return out;
  if (number.text.empty()) {
    out.whole = -number.whole;  // INT64_MIN is never a literal: its digits leave 64 bits before the sign
  } else if (number.text == "9223372036854775808") {
    return PyValue::of(INT64_MIN);
  } else {
    out.text = number.text[0] == '-' ? number.text.substr(1) : "-" + number.text;
  }
  return out;
}

}  // namespace qeval
