#include "qeval/text/python_repr.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "qeval/text/python_literal.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr int kMaxDepth = 1000;  // of a value; deeper than any parser of ours builds

void append_repr(std::string& out, const Json& value, int depth) {
  if (depth > kMaxDepth) {
    out += "...";
    return;
  }
  switch (value.type()) {
    case Json::value_t::null: out += "None"; break;
    case Json::value_t::boolean: out += value.get<bool>() ? "True" : "False"; break;
    case Json::value_t::number_integer: out += std::to_string(value.get<int64_t>()); break;
    case Json::value_t::number_unsigned: out += std::to_string(value.get<uint64_t>()); break;
    case Json::value_t::number_float: out += python_float_repr(value.get<double>()); break;
    case Json::value_t::string: append_python_str_repr(out, value.get_ref<const std::string&>()); break;
    case Json::value_t::array: {
      out += '[';
      bool first = true;
      for (const Json& item : value) {
        if (!first) out += ", ";
        first = false;
        append_repr(out, item, depth + 1);
      }
      out += ']';
      break;
    }
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (auto it = value.begin(); it != value.end(); ++it) {
        if (!first) out += ", ";
        first = false;
        append_python_str_repr(out, it.key());
        out += ": ";
        append_repr(out, it.value(), depth + 1);
      }
      out += '}';
      break;
    }
    default: out += "None"; break;
  }
}

}  // namespace

void append_python_str_repr(std::string& out, std::string_view s) {
  bool single = s.find('\'') != std::string_view::npos, twofold = s.find('"') != std::string_view::npos;
  char quote = single && !twofold ? '"' : '\'';
  out += quote;
  for (size_t i = 0; i < s.size();) {
    Decoded d = decode_utf8(s, i);
    uint32_t c = d.code_point;
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (!d.valid) {
      out += "\xEF\xBF\xBD";
    } else if (py_is_printable(c)) {
      out.append(s.substr(i, d.n_bytes));
    } else {
      append_escape(out, c);
    }
    i += d.n_bytes;
  }
  out += quote;
}

std::string python_float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  size_t e = text.find('e');
  int exponent = 0;
  std::string_view digits_of_exponent = text.substr(e + 1);
  if (digits_of_exponent.front() == '+') digits_of_exponent.remove_prefix(1);
  std::from_chars(digits_of_exponent.data(), digits_of_exponent.data() + digits_of_exponent.size(), exponent);
  std::string sign, digits;
  for (char c : text.substr(0, e)) {
    if (c == '-') sign = "-";
    else if (c != '.') digits += c;
  }
  // CPython's float_repr_style: plain notation for 1e-4 <= |x| < 1e16.
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = digits.size() > 1 ? digits.substr(0, 1) + "." + digits.substr(1) : digits;
    return fmt::format("{}{}e{}{:02}", sign, mantissa, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string python_repr(const Json& value) {
  std::string out;
  append_repr(out, value, 0);
  return out;
}

std::string python_str(const Json& value) {
  return value.is_string() ? value.get<std::string>() : python_repr(value);
}

}  // namespace qeval
