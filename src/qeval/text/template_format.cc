#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "qeval/text/python_literal.h"
#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

constexpr int kMaxPrecision = 1000;
constexpr size_t kMaxWidth = 1'000'000;

struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  size_t width = 0;
  char grouping = '\0';
  int precision = -1;
  char type = '\0';
};

std::string printf_double(char type, bool alternate, int precision, double value) {
  char format[8];
  std::snprintf(format, sizeof format, alternate ? "%%#.*%c" : "%%.*%c", type);
  int n = std::snprintf(nullptr, 0, format, precision, value);
  std::string out(static_cast<size_t>(std::max(n, 0)) + 1, '\0');
  std::snprintf(out.data(), out.size(), format, precision, value);
  out.pop_back();
  return out;
}

// Digits of the integer part in groups of three.
std::string group_digits(const std::string& text, char separator) {
  size_t whole = 0;
  while (whole < text.size() && text[whole] >= '0' && text[whole] <= '9') ++whole;
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += separator;
    out += text[i];
  }
  return out + text.substr(whole);
}

// Places `body` (whose sign or prefix is apart) in the width.
std::string pad(const Spec& spec, const std::string& prefix, const std::string& body, char default_align) {
  size_t n = n_code_points(prefix) + n_code_points(body);
  size_t missing = spec.width > n ? spec.width - n : 0;
  char align = spec.align ? spec.align : default_align;
  size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  auto fill = [&](size_t k) {
    std::string out;
    for (size_t i = 0; i < k; ++i) out += spec.fill;
    return out;
  };
  if (align == '=') return prefix + fill(missing) + body;
  return fill(left) + prefix + body + fill(missing - left);
}

std::string strip_zeros(std::string text, bool keep_one) {
  size_t exponent = text.find_first_of("eE");
  std::string tail = exponent == std::string::npos ? "" : text.substr(exponent);
  std::string head = text.substr(0, exponent);
  if (head.find('.') != std::string::npos) {
    head.erase(head.find_last_not_of('0') + 1);
    if (head.back() == '.') head.pop_back();
  }
  if (keep_one && tail.empty() && head.find('.') == std::string::npos) head += ".0";
  return head + tail;
}

// format(x, '.3'): like g, but a number without exponent keeps a digit after the point.
std::string general(double value, int precision) {
  precision = std::max(precision, 1);
  std::string scientific = printf_double('e', false, precision - 1, value);
  int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent + 1 > precision - 1) return strip_zeros(scientific, false);
  return strip_zeros(printf_double('f', false, precision - 1 - exponent, value), true);
}

std::string format_real(Runtime& rt, const Spec& spec, double value) {
  bool negative = std::signbit(value) && !std::isnan(value);
  double magnitude = std::fabs(value);
  std::string body;
  char type = spec.type;
  if (std::isnan(value)) body = "nan";
  else if (std::isinf(value)) body = "inf";
  else if (type == '\0' || type == 'n') body = type == '\0' && spec.precision < 0 ? python_float_repr(magnitude) : type == 'n' ? printf_double('g', spec.alternate, spec.precision < 0 ? 6 : spec.precision, magnitude) : general(magnitude, spec.precision);
  else if (type == '%') body = printf_double('f', spec.alternate, spec.precision < 0 ? 6 : spec.precision, magnitude * 100);
  else if (std::string_view("eEfFgG").find(type) != std::string_view::npos) body = printf_double(type, spec.alternate, spec.precision < 0 ? 6 : spec.precision, magnitude);
  else rt.fail(fmt::format("Unknown format code '{}' for object of type 'float'", type));
  if (!std::isfinite(value) && (type == 'E' || type == 'F' || type == 'G')) body = py_upper(body);
  if (type == '%') body += '%';
  if (spec.grouping) body = group_digits(body, spec.grouping);
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return pad(spec, sign, body, '>');
}

std::string format_int(Runtime& rt, const Spec& spec, int64_t value) {
  if (spec.type && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos)
    return format_real(rt, spec, static_cast<double>(value));
  if (spec.precision >= 0) rt.fail("Precision not allowed in integer format specifier");
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string body, prefix;
  switch (spec.type) {
    case '\0':
    case 'd':
    case 'n': body = std::to_string(magnitude); break;
    case 'b': body = fmt::format("{:b}", magnitude); break;
    case 'o': body = fmt::format("{:o}", magnitude); break;
    case 'x': body = fmt::format("{:x}", magnitude); break;
    case 'X': body = fmt::format("{:X}", magnitude); break;
    case 'c':
      if (value < 0 || value > 0x10FFFF) rt.fail("%c arg not in range(0x110000)");
      append_utf8(body, static_cast<uint32_t>(value));
      return pad(spec, "", body, '<');
    default: rt.fail(fmt::format("Unknown format code '{}' for object of type 'int'", spec.type));
  }
  if (spec.alternate && std::string_view("boxX").find(spec.type) != std::string_view::npos && spec.type) prefix = std::string("0") + spec.type;
  if (spec.grouping) body = group_digits(body, spec.grouping);
  std::string sign = value < 0 ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return pad(spec, sign + prefix, body, '>');
}

size_t read_number(Runtime& rt, std::string_view text, size_t& at) {
  size_t value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    value = value * 10 + static_cast<size_t>(text[at++] - '0');
    if (value > kMaxWidth) rt.fail("a width or precision is too large");
  }
  return value;
}

Spec parse_spec(Runtime& rt, const std::string& text) {
  Spec spec;
  size_t at = 0;
  bool has_fill = false;
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!text.empty()) {
    size_t n = decode_utf8(text, 0).n_bytes;
    if (n < text.size() && is_align(text[n])) {
      has_fill = true;
      spec.fill = text.substr(0, n);
      spec.align = text[n];
      at = n + 1;
    } else if (is_align(text[0])) {
      spec.align = text[at++];
    }
  }
  auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ') spec.sign = text[at++];
  if (peek() == '#') spec.alternate = ++at > 0;
  if (peek() == '0') {
    spec.zero = ++at > 0;
    if (!has_fill) spec.fill = "0";
    if (!spec.align) spec.align = '=';
  }
  spec.width = read_number(rt, text, at);
  if (peek() == ',' || peek() == '_') spec.grouping = text[at++];
  if (peek() == '.') {
    ++at;
    if (peek() < '0' || peek() > '9') rt.fail("Format specifier missing precision");
    spec.precision = static_cast<int>(std::min<size_t>(read_number(rt, text, at), kMaxPrecision));
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) rt.fail("Invalid format specifier '" + text + "'");
  return spec;
}

}  // namespace

std::string format_spec(Runtime& rt, const Value& value, const std::string& text) {
  require_defined(rt, value);
  if (text.empty()) return to_str(rt, value);
  Spec spec = parse_spec(rt, text);
  rt.charge(1 + spec.width / 64);
  if (value.is_integral()) return format_int(rt, spec, value.as_int());
  if (value.is(Kind::real)) return format_real(rt, spec, value.as_double());
  if (!value.is_string()) rt.fail("unsupported format string passed to " + type_name(value) + ".__format__");
  if (spec.type && spec.type != 's') rt.fail(fmt::format("Unknown format code '{}' for object of type 'str'", spec.type));
  if (spec.align == '=' && !spec.zero) rt.fail("'=' alignment not allowed in string format specifier");
  if (spec.zero && spec.align == '=') spec.align = '<';
  std::string body = value.text();
  if (spec.precision >= 0 && static_cast<size_t>(spec.precision) < value.str().n_points)
    body = std::string(substring(value.str(), 0, static_cast<size_t>(spec.precision)));
  return pad(spec, "", body, '<');
}

namespace {

// One {field} of str.format: name, .attribute, [key].
Value field_value(Runtime& rt, const std::string& field, const Args& args, size_t& next) {
  size_t end = field.find_first_of(".[");
  std::string first = field.substr(0, end);
  Value value;
  bool numeric = !first.empty() && first.find_first_not_of("0123456789") == std::string::npos;
  if (first.empty() || numeric) {
    size_t at = 0, index = first.empty() ? next++ : read_number(rt, first, at);
    if (index >= args.positional.size()) rt.fail(fmt::format("format(): there is no argument {}", index));
    value = args.positional[index];
  } else {
    auto it = std::find_if(args.named.begin(), args.named.end(), [&](const auto& a) { return a.first == first; });
    if (it == args.named.end()) rt.fail("format(): there is no argument '" + first + "'");
    value = it->second;
  }
  while (end != std::string::npos && end < field.size()) {
    bool item = field[end] == '[';
    size_t stop = item ? field.find(']', end) : field.find_first_of(".[", end + 1);
    if (item && stop == std::string::npos) rt.fail("format(): expected ']'");
    std::string key = field.substr(end + 1, stop == std::string::npos ? stop : stop - end - 1);
    size_t at = 0;
    bool index = item && !key.empty() && key.find_first_not_of("0123456789") == std::string::npos;
    value = !item ? get_attribute(rt, value, key)
            : get_item(rt, value, index ? Value::integer(static_cast<int64_t>(read_number(rt, key, at))) : rt.string(key));
    require_defined(rt, value);
    end = item ? (stop + 1 < field.size() ? stop + 1 : std::string::npos) : stop;
  }
  return value;
}

std::string format_fields(Runtime& rt, std::string_view in, const Args& args, size_t& next, int nesting);

std::string replacement_field(Runtime& rt, std::string_view inside, const Args& args, size_t& next, int nesting) {
  size_t colon = std::string_view::npos;
  for (size_t i = 0, square = 0; i < inside.size(); ++i) {
    if (inside[i] == '[') ++square;
    else if (inside[i] == ']' && square) --square;
    else if (inside[i] == ':' && !square) {
      colon = i;
      break;
    }
  }
  std::string field(inside.substr(0, colon));
  char conversion = '\0';
  if (field.size() >= 2 && field[field.size() - 2] == '!') {
    conversion = field.back();
    field.resize(field.size() - 2);
  }
  Value value = field_value(rt, field, args, next);
  if (conversion == 'r') value = rt.string(to_repr(rt, value));
  else if (conversion == 's') value = rt.string(to_str(rt, value));
  else if (conversion) rt.fail(fmt::format("format(): unknown conversion '{}'", conversion));
  std::string spec;
  if (colon != std::string_view::npos) {
    if (nesting > 1) rt.fail("format(): fields are nested too deeply");
    spec = format_fields(rt, inside.substr(colon + 1), args, next, nesting + 1);
  }
  return format_spec(rt, value, spec);
}

std::string format_fields(Runtime& rt, std::string_view in, const Args& args, size_t& next, int nesting) {
  std::string out;
  for (size_t i = 0; i < in.size();) {
    char c = in[i];
    if ((c == '{' || c == '}') && i + 1 < in.size() && in[i + 1] == c && nesting == 0) {
      out += c;
      i += 2;
    } else if (c == '}') {
      rt.fail("Single '}' encountered in format string");
    } else if (c != '{') {
      out += c;
      ++i;
    } else {
      size_t end = i + 1;
      for (int open = 1; end < in.size(); ++end) {
        if (in[end] == '{') ++open;
        else if (in[end] == '}' && --open == 0) break;
      }
      if (end >= in.size()) rt.fail("expected '}' before end of string");
      out += replacement_field(rt, in.substr(i + 1, end - i - 1), args, next, nesting);
      i = end + 1;
      if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
    }
  }
  rt.charge(in.size() / 64);
  return out;
}

}  // namespace

std::string str_format(Runtime& rt, const std::string& format, const Args& args) {
  size_t next = 0;
  return format_fields(rt, format, args, next, 0);
}

namespace {

// The arguments of `format % arguments`, taken one by one.
class PercentArguments {
 public:
  PercentArguments(Runtime& rt, const Value& v) : rt_(rt), value_(v) {}
  Value next() {
    if (!value_.is(Kind::tuple)) {
      if (used_++ > 0) rt_.fail("not enough arguments for format string");
      return value_;
    }
    const Items& items = value_.seq().items;
    if (used_ >= items.size()) rt_.fail("not enough arguments for format string");
    return items[used_++];
  }
  Value named(const std::string& key) {
    if (!value_.is(Kind::dict)) rt_.fail("format requires a mapping");
    by_name_ = true;
    Value v = get_item(rt_, value_, rt_.string(key));
    require_defined(rt_, v);
    return v;
  }
  void finish() const {
    bool left = value_.is(Kind::tuple) ? used_ < value_.seq().items.size() : used_ == 0 && !value_.is(Kind::dict) && !value_.is(Kind::list);
    if (!by_name_ && left) rt_.fail("not all arguments converted during string formatting");
  }

 private:
  Runtime& rt_;
  const Value& value_;
  size_t used_ = 0;
  bool by_name_ = false;
};

std::string percent_one(Runtime& rt, Spec spec, char type, const Value& v, bool left) {
  if (left) spec.align = '<';
  else if (spec.zero && type != 's' && type != 'r' && type != 'a' && type != 'c') spec.align = '=', spec.fill = "0";
  if (type == 's' || type == 'r' || type == 'a') {
    Value text = rt.string(type == 's' ? to_str(rt, v) : to_repr(rt, v));
    std::string body = text.text();
    if (spec.precision >= 0 && static_cast<size_t>(spec.precision) < text.str().n_points)
      body = std::string(substring(text.str(), 0, static_cast<size_t>(spec.precision)));
    return pad(spec, "", body, '>');
  }
  require_defined(rt, v);
  if (type == 'c') {
    if (v.is_string() && v.str().n_points == 1) return pad(spec, "", v.text(), '>');
    if (!v.is_integral()) rt.fail("%c requires int or char");
    spec.type = 'c';
    if (!left) spec.align = '>';
    return format_int(rt, spec, v.as_int());
  }
  if (!v.is_number()) rt.fail(fmt::format("%{} format: a real number is required, not {}", type, type_name(v)));
  if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
    spec.type = type;
    return format_real(rt, spec, v.as_double());
  }
  bool whole = type == 'd' || type == 'i' || type == 'u';
  if (!whole && v.is(Kind::real)) rt.fail(fmt::format("%{} format: an integer is required, not float", type));
  double d = v.as_double();
  if (v.is(Kind::real) && !(std::fabs(d) < 9.2e18)) rt.fail("a float does not fit an integer of 64 bits");
  spec.type = whole ? 'd' : type;
  int digits = spec.precision;
  spec.precision = -1;
  int64_t number = v.is(Kind::real) ? static_cast<int64_t>(d) : v.as_int();
  if (digits < 0) return format_int(rt, spec, number);
  Spec bare = spec;
  bare.width = number < 0 || spec.sign != '-' ? static_cast<size_t>(digits) + 1 : static_cast<size_t>(digits);
  bare.align = '=', bare.fill = "0";
  std::string body = format_int(rt, bare, number);
  return pad(spec, "", body, '>');
}

}  // namespace

std::string percent_format(Runtime& rt, const std::string& in, const Value& arguments) {
  PercentArguments args(rt, arguments);
  std::string out;
  for (size_t i = 0; i < in.size();) {
    if (in[i] != '%') {
      out += in[i++];
      continue;
    }
    std::optional<Value> value;
    if (++i < in.size() && in[i] == '(') {
      size_t end = in.find(')', i);
      if (end == std::string::npos) rt.fail("incomplete format key");
      value = args.named(in.substr(i + 1, end - i - 1));
      i = end + 1;
    }
    Spec spec;
    bool left = false;
    for (; i < in.size() && std::string_view("-+ 0#").find(in[i]) != std::string_view::npos; ++i) {
      if (in[i] == '-') left = true;
      else if (in[i] == '+' || (in[i] == ' ' && spec.sign == '-')) spec.sign = in[i];
      else if (in[i] == '0') spec.zero = true;
      else if (in[i] == '#') spec.alternate = true;
    }
    auto number = [&]() -> size_t {
      if (i >= in.size() || in[i] != '*') return read_number(rt, in, i);
      ++i;
      Value v = args.next();
      int64_t n = int_argument(rt, "% formatting", v);
      if (n < 0) left = true;
      if (n > static_cast<int64_t>(kMaxWidth) || n < -static_cast<int64_t>(kMaxWidth)) rt.fail("a width is too large");
      return static_cast<size_t>(n < 0 ? -n : n);
    };
    spec.width = number();
    if (i < in.size() && in[i] == '.') {
      ++i;
      spec.precision = static_cast<int>(std::min<size_t>(number(), kMaxPrecision));
    }
    while (i < in.size() && (in[i] == 'l' || in[i] == 'h' || in[i] == 'L')) ++i;
    if (i >= in.size()) rt.fail("incomplete format");
    char type = in[i++];
    if (type == '%') {
      out += '%';
      continue;
    }
    if (std::string_view("srdiuxXoeEfFgGca").find(type) == std::string_view::npos)
      rt.fail(fmt::format("unsupported format character '{}'", type));
    rt.charge(1 + spec.width / 64);
    out += percent_one(rt, spec, type, value ? *value : args.next(), left);
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
  }
  args.finish();
  return out;
}

}  // namespace qeval::jinja
