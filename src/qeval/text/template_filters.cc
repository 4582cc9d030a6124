#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <limits>

#include "qeval/text/python_literal.h"
#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

constexpr size_t kMaxLiteral = 5000;

Value default_value(Runtime& rt, Args& args) {
  auto a = bind(rt, "default", args, {"value", "default_value", "boolean"}, 1);
  bool replace = a[0]->is(Kind::undefined) || (a[2] && truth(rt, *a[2]) && !truth(rt, *a[0]));
  return replace ? a[1].value_or(Value::string("")) : *a[0];
}

// Python's int(text, base) for what fits 64 bits.
std::optional<int64_t> parse_int(const std::string& raw, int base) {
  std::string text;
  for (uint32_t c : code_points(py_strip(raw))) {
    int digit = py_decimal_value(c);
    if (digit >= 0) text += static_cast<char>('0' + digit);
    else append_utf8(text, c);
  }
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.erase(0, 1);
  auto prefix = [&](char low, int b) {
    if (text.size() < 3 || text[0] != '0' || (text[1] | 32) != low || (base != b && base != 0)) return;
    base = b;
    text.erase(0, text[2] == '_' ? 3 : 2);
  };
  prefix('x', 16);
  prefix('o', 8);
  prefix('b', 2);
  if (base == 0) base = 10;
  uint64_t value = 0;
  bool digit_before = false;
  for (char c : text) {
    if (c == '_' && digit_before) {
      digit_before = false;
      continue;
    }
    int low = c | 32;
    int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'z' ? low - 'a' + 10 : 99;
    if (digit >= base || value > (uint64_t{1} << 63) / static_cast<uint64_t>(base)) return std::nullopt;
    value = value * static_cast<uint64_t>(base) + static_cast<uint64_t>(digit);
    digit_before = true;
  }
  if (!digit_before || value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

// Python's float(text).
std::optional<double> parse_float(const std::string& raw) {
  std::string text;
  for (uint32_t c : code_points(py_strip(raw))) {
    int digit = py_decimal_value(c);
    if (digit >= 0) text += static_cast<char>('0' + digit);
    else append_utf8(text, c);
  }
  if (text.size() > kMaxLiteral) return std::nullopt;
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    bool between = i > 0 && i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i - 1])) &&
                   std::isdigit(static_cast<unsigned char>(text[i + 1]));
    if (text[i] == '_' && between) continue;
    plain += text[i];
  }
  std::string word = py_lower(plain.substr(!plain.empty() && (plain[0] == '-' || plain[0] == '+')));
  bool known = word == "inf" || word == "infinity" || word == "nan";
  if (!known && (word.empty() || word.find_first_not_of("0123456789.e+-") != std::string::npos)) return std::nullopt;
  char* end = nullptr;
  double value = std::strtod(plain.c_str(), &end);
  if (end != plain.c_str() + plain.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> truncated(double d) {
  if (!(std::fabs(d) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(d);
}

Value to_int(Runtime& rt, Args& args) {
  auto a = bind(rt, "int", args, {"value", "default", "base"}, 1);
  const Value& v = *a[0];
  require_defined(rt, v);
  int base = a[2] ? static_cast<int>(std::clamp<int64_t>(int_argument(rt, "int", *a[2]), 0, 36)) : 10;
  std::optional<int64_t> out;
  if (v.is_integral()) out = v.as_int();
  else if (v.is(Kind::real)) out = truncated(v.as_double());
  else if (v.is_string() && !(out = parse_int(v.text(), base)))
    if (auto d = parse_float(v.text())) out = truncated(*d);
  if (out) return Value::integer(*out);
  return a[1].value_or(Value::integer(0));
}

Value to_float(Runtime& rt, Args& args) {
  auto a = bind(rt, "float", args, {"value", "default"}, 1);
  require_defined(rt, *a[0]);
  if (a[0]->is_number()) return Value::real(a[0]->as_double());
  if (a[0]->is_string())
    if (auto d = parse_float(a[0]->text())) return Value::real(*d);
  return a[1].value_or(Value::real(0.0));
}

Value absolute(Runtime& rt, Args& args) {
  auto a = bind(rt, "abs", args, {"x"}, 1);
  require_defined(rt, *a[0]);
  if (a[0]->is(Kind::real)) return Value::real(std::fabs(a[0]->as_double()));
  if (!a[0]->is_integral()) rt.fail("bad operand type for abs(): '" + type_name(*a[0]) + "'");
  return a[0]->as_int() < 0 ? negate(rt, *a[0]) : Value::integer(a[0]->as_int());
}

// Python's round(): half to even on the exact binary value, which is what printf does.
double round_half_even(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 320) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits >= 0) {
    std::string text = fmt::format("{:.{}f}", value, static_cast<int>(digits));
    return std::strtod(text.c_str(), nullptr);
  }
  double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / unit) * unit;
}

Value round_value(Runtime& rt, Args& args) {
  auto a = bind(rt, "round", args, {"value", "precision", "method"}, 1);
  require_defined(rt, *a[0]);
  int64_t precision = a[1] ? int_argument(rt, "round", *a[1]) : 0;
  std::string method = a[2] ? str_argument(rt, "round", *a[2]) : "common";
  if (method != "common" && method != "ceil" && method != "floor") rt.fail("round: expected the method common, ceil or floor");
  if (!a[0]->is_number()) rt.fail("type " + type_name(*a[0]) + " doesn't define __round__ method");
  if (method == "common") {
    if (a[0]->is_integral() && precision >= 0) return Value::integer(a[0]->as_int());
    double rounded = round_half_even(a[0]->as_double(), precision);
    if (a[0]->is_integral()) return Value::integer(truncated(rounded).value_or(a[0]->as_int()));
    return Value::real(rounded);
  }
  double unit = std::pow(10.0, static_cast<double>(precision)), scaled = a[0]->as_double() * unit;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

void json_string_to(std::string& out, std::string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    Decoded d = decode_utf8(text, i);
    i += d.n_bytes;
    uint32_t c = d.code_point;
    static constexpr std::string_view kNames = "bfnrt", kValues = "\b\f\n\r\t";
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (size_t k = c < 0x80 ? kValues.find(static_cast<char>(c)) : std::string_view::npos; k != std::string_view::npos) {
      out += '\\';
      out += kNames[k];
    } else if (c < 0x20 || c > 0x7E || c == '<' || c == '>' || c == '&' || c == '\'') {
      if (c > 0xFFFF) {
        c -= 0x10000;
        out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
      } else {
        out += fmt::format("\\u{:04x}", c);
      }
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

struct JsonWriter {
  Runtime& rt;
  int indent;  // <0: one line
  std::string out;

  void newline(int level) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent * level), ' ');
  }
  std::string key_text(const Value& key) {
    if (key.is_string()) return key.text();
    if (key.is(Kind::none)) return "null";
    if (key.is(Kind::boolean)) return key.as_int() ? "true" : "false";
    if (!key.is_number()) rt.fail("tojson: keys must be str, int, float, bool or None");
    return to_repr(rt, key);
  }
  void sequence(const Items& items, int level) {
    out += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out += indent < 0 ? ", " : ",";
      newline(level + 1);
      write(items[i], level + 1);
    }
    if (!items.empty()) newline(level);
    out += ']';
  }
  void object(const Dict& dict, int level) {
    // Flask's and Jinja's policy: keys sorted.
    auto entries = dict.entries;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto& x, const auto& y) { return compare(rt, x.first, y.first, "<") == -1; });
    out += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i) out += indent < 0 ? ", " : ",";
      newline(level + 1);
      json_string_to(out, key_text(entries[i].first));
      out += ": ";
      write(entries[i].second, level + 1);
    }
    if (!entries.empty()) newline(level);
    out += '}';
  }
  void write(const Value& v, int level) {
    Level guard(rt);
    rt.charge(1);
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
    require_defined(rt, v);
    switch (v.kind()) {
      case Kind::none: out += "null"; break;
      case Kind::boolean: out += v.as_int() ? "true" : "false"; break;
      case Kind::integer: out += std::to_string(v.as_int()); break;
      case Kind::real: {
        double d = v.as_double();
        out += std::isnan(d) ? "NaN" : std::isinf(d) ? (d < 0 ? "-Infinity" : "Infinity") : python_float_repr(d);
        break;
      }
      case Kind::string: json_string_to(out, v.text()); break;
      case Kind::list:
      case Kind::tuple: sequence(v.seq().items, level); break;
      case Kind::dict: object(v.dict(), level); break;
      default: rt.fail("Object of type " + type_name(v) + " is not JSON serializable");
    }
  }
};

Value to_json_text(Runtime& rt, Args& args) {
  auto a = bind(rt, "tojson", args, {"value", "indent"}, 1);
  int indent = a[1] && !a[1]->is(Kind::none) ? static_cast<int>(std::clamp<int64_t>(int_argument(rt, "tojson", *a[1]), 0, 32)) : -1;
  JsonWriter writer{rt, indent, ""};
  writer.write(*a[0], 0);
  return rt.string(std::move(writer.out), true);
}

Value to_string(Runtime& rt, Args& args) {
  auto a = bind(rt, "string", args, {"object"}, 1);
  return a[0]->is_string() ? *a[0] : rt.string(to_str(rt, *a[0]));
}

Value count_items(Runtime& rt, Args& args) {
  auto a = bind(rt, "length", args, {"obj"}, 1);
  return Value::integer(static_cast<int64_t>(length(rt, *a[0])));
}

Value no_random(Runtime& rt, Args&) { rt.fail("the filter 'random' is not supported: a prompt must be the same each time"); }

struct FilterRow {
  std::string_view name;
  Builtin filter;
};
constexpr FilterRow kOtherFilters[] = {
    {"default", default_value}, {"d", default_value},      {"int", to_int},         {"float", to_float},
    {"abs", absolute},          {"round", round_value},    {"tojson", to_json_text}, {"string", to_string},
    {"length", count_items},    {"count", count_items},    {"random", no_random},
};

}  // namespace

Builtin find_filter(std::string_view name) {
  for (const FilterRow& row : kOtherFilters)
    if (row.name == name) return row.filter;
  if (Builtin text = find_text_filter(name)) return text;
  return find_sequence_filter(name);
}

}  // namespace qeval::jinja
