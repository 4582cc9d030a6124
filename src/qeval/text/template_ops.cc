#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/text/python_repr.h"
#include "qeval/text/template_value.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

const char* symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
    case BinaryOp::div: return "/";
    case BinaryOp::floordiv: return "//";
    case BinaryOp::mod: return "%";
    case BinaryOp::pow: return "** or pow()";
  }
  return "?";
}

[[noreturn]] void overflow(Runtime& rt) { rt.fail("an integer grows beyond 64 bits"); }
[[noreturn]] void zero_division(Runtime& rt) { rt.fail("division by zero"); }

int64_t int_pow(Runtime& rt, int64_t base, int64_t exponent) {
  int64_t out = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(out, base, &out)) overflow(rt);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow(rt);
  }
  return out;
}

Value real_op(Runtime& rt, BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add: return Value::real(a + b);
    case BinaryOp::sub: return Value::real(a - b);
    case BinaryOp::mul: return Value::real(a * b);
    case BinaryOp::div:
      if (b == 0) zero_division(rt);
      return Value::real(a / b);
    case BinaryOp::floordiv:
    case BinaryOp::mod: {
      if (b == 0) zero_division(rt);
      // CPython's float_divmod: the remainder takes the divisor's sign.
      double mod = std::fmod(a, b), div = (a - mod) / b;
      if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
          mod += b;
          div -= 1;
        }
      } else {
        mod = std::copysign(0.0, b);
      }
      if (op == BinaryOp::mod) return Value::real(mod);
      if (div == 0) return Value::real(std::copysign(0.0, a / b));
      double whole = std::floor(div);
      return Value::real(div - whole > 0.5 ? whole + 1 : whole);
    }
    case BinaryOp::pow: {
      if (a == 0 && b < 0) rt.fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) rt.fail("complex numbers are not supported");
      double out = std::pow(a, b);
      if (std::isinf(out) && std::isfinite(a) && std::isfinite(b)) rt.fail("a float grows too large");
      return Value::real(out);
    }
  }
  return Value();
}

Value int_op(Runtime& rt, BinaryOp op, int64_t a, int64_t b) {
  int64_t out = 0;
  switch (op) {
    case BinaryOp::add:
      if (__builtin_add_overflow(a, b, &out)) overflow(rt);
      break;
    case BinaryOp::sub:
      if (__builtin_sub_overflow(a, b, &out)) overflow(rt);
      break;
    case BinaryOp::mul:
      if (__builtin_mul_overflow(a, b, &out)) overflow(rt);
      break;
    case BinaryOp::div:
      if (b == 0) zero_division(rt);
      // Rounded once, as Python's exact quotient is: long double holds every 64-bit integer.
      return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOp::floordiv:
    case BinaryOp::mod: {
      if (b == 0) zero_division(rt);
      if (a == INT64_MIN && b == -1) {
        if (op == BinaryOp::floordiv) overflow(rt);
        break;
      }
      int64_t quotient = a / b, rest = a % b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        --quotient;
        rest += b;
      }
      out = op == BinaryOp::mod ? rest : quotient;
      break;
    }
    case BinaryOp::pow:
      if (b < 0) return real_op(rt, op, static_cast<double>(a), static_cast<double>(b));
      out = a == 1 || b == 0 ? 1 : a == 0 ? 0 : a == -1 ? (b & 1 ? -1 : 1) : int_pow(rt, a, b);
      break;
  }
  return Value::integer(out);
}

Value repeat(Runtime& rt, const Value& v, int64_t n) {
  n = std::max<int64_t>(n, 0);
  if (v.is_string()) {
    const std::string& unit = v.text();
    if (n > 0 && unit.size() > kMaxStringBytes / static_cast<size_t>(n)) rt.fail("a text grows beyond 64 MiB");
    std::string out;
    out.reserve(unit.size() * static_cast<size_t>(n));
    if (!unit.empty())
      for (int64_t i = 0; i < n; ++i) out += unit;
    return rt.string(std::move(out), v.str().markup);
  }
  const Items& unit = v.seq().items;
  if (n > 0 && unit.size() > 20'000'000 / static_cast<size_t>(n)) rt.fail("a list grows too long");
  rt.charge(unit.size() * static_cast<size_t>(n) * 2);
  Items out;
  if (!unit.empty())
    for (int64_t i = 0; i < n; ++i) out.insert(out.end(), unit.begin(), unit.end());
  return v.is(Kind::list) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

std::optional<Value> sequence_op(Runtime& rt, BinaryOp op, const Value& a, const Value& b) {
  if (op == BinaryOp::mod && a.is_string()) return rt.string(percent_format(rt, a.text(), b), a.str().markup);
  if (op == BinaryOp::mul) {
    if ((a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(rt, a, b.as_int());
    if ((b.is_string() || b.is_sequence()) && a.is_integral()) return repeat(rt, b, a.as_int());
  }
  if (op != BinaryOp::add) return std::nullopt;
  if (a.is_string() && b.is_string()) {
    bool markup = a.str().markup || b.str().markup;
    auto part = [&](const Value& v) { return markup && !v.str().markup ? escape_text(v.text()) : v.text(); };
    return rt.string(part(a) + part(b), markup);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    Items out = a.seq().items;
    out.insert(out.end(), b.seq().items.begin(), b.seq().items.end());
    return a.is(Kind::list) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
  }
  return std::nullopt;
}

Value no_attribute(const Value& object, const std::string& name) {
  std::string who = object.is(Kind::none) ? "None"
                    : object.is(Kind::name_space) ? "jinja2.utils.Namespace object"
                                                  : type_name(object) + " object";
  std::string repr;
  append_python_str_repr(repr, name);
  return Value::undefined(fmt::format("'{}' has no attribute {}", who, repr));
}

Value loop_attribute(const Value& object, const std::string& name) {
  Loop& loop = object.loop();
  auto count = [](size_t n) { return Value::integer(static_cast<int64_t>(n)); };
  size_t n = loop.items->size(), i = loop.index0;
  if (name == "index") return count(i + 1);
  if (name == "index0") return count(i);
  if (name == "revindex") return count(n - i);
  if (name == "revindex0") return count(n - i - 1);
  if (name == "first") return Value::boolean(i == 0);
  if (name == "last") return Value::boolean(i + 1 == n);
  if (name == "length") return count(n);
  // Only recursive loops, which are refused, are deeper.
  if (name == "depth") return count(1);
  if (name == "depth0") return count(0);
  if (name == "previtem") return i > 0 ? (*loop.items)[i - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem") return i + 1 < n ? (*loop.items)[i + 1] : Value::undefined("there is no next item");
  if (name == "cycle")
    return make_function("cycle", [object](Runtime& r, Args& args) {
      if (args.positional.empty()) r.fail("loop.cycle() expected at least one item");
      return args.positional[object.loop().index0 % args.positional.size()];
    }, object.depth());
  if (name == "changed") {
    return make_function("changed", [object](Runtime& r, Args& args) {
      auto& last = object.loop().last_changed;
      bool same = last && last->size() == args.positional.size();
      for (size_t k = 0; same && k < last->size(); ++k) same = equals(r, (*last)[k], args.positional[k]);
      last = args.positional;
      r.keep(object.object());
      return Value::boolean(!same);
    }, object.depth());
  }
  return no_attribute(object, name);
}

// Position of Python's index in 0..n-1, or nullopt.
std::optional<size_t> position(int64_t index, size_t n) {
  if (index < 0) index += static_cast<int64_t>(n);
  if (index < 0 || index >= static_cast<int64_t>(n)) return std::nullopt;
  return static_cast<size_t>(index);
}

std::optional<Value> item_at(Runtime& rt, const Value& object, int64_t index) {
  if (object.is_string()) {
    auto at = position(index, object.str().n_points);
    if (!at) return std::nullopt;
    if (!object.str().ascii()) rt.charge(object.text().size() / 64);
    return rt.string(std::string(substring(object.str(), *at, *at + 1)), object.str().markup);
  }
  if (object.is_sequence()) {
    auto at = position(index, object.seq().items.size());
    if (at) return object.seq().items[*at];
  }
  if (object.is(Kind::range)) {
    auto at = position(index, static_cast<size_t>(object.range().length()));
    if (at) return Value::integer(object.range().start + static_cast<int64_t>(*at) * object.range().step);
  }
  return std::nullopt;
}

std::optional<int64_t> slice_bound(Runtime& rt, const Value& v) {
  if (v.is(Kind::none)) return std::nullopt;
  require_defined(rt, v);
  if (!v.is_integral()) rt.fail("slice indices must be integers or None, not " + type_name(v));
  return v.as_int();
}

// PySlice_AdjustIndices.
int64_t clamp(std::optional<int64_t> bound, int64_t n, bool forward, bool is_start) {
  if (!bound) return is_start ? (forward ? 0 : n - 1) : (forward ? n : -1);
  int64_t v = *bound;
  if (v < 0) {
    v = v < -n ? -1 : v + n;
    if (v < 0) v = forward ? 0 : -1;
  } else if (v >= n) {
    v = forward ? n : n - 1;
  }
  return v;
}

Value slice_range(const Range& range, int64_t begin, int64_t end, int64_t stride) {
  auto out = std::make_shared<Range>();
  // Within 64 bits: begin and end are no further than one step beyond the range.
  bool overflows = __builtin_mul_overflow(range.step, stride, &out->step);
  out->start = range.start + begin * range.step;
  out->stop = overflows ? out->start : range.start + end * range.step;
  if (overflows) out->step = 1;
  return Value::object(Kind::range, std::move(out));
}

}  // namespace

std::string escape_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string_view substring(const Str& s, size_t begin, size_t end) {
  std::string_view text = s.text;
  if (s.ascii()) return text.substr(begin, end - begin);
  size_t at = 0, first = 0;
  for (size_t i = 0; i < end && at < text.size(); ++i) {
    if (i == begin) first = at;
    at += decode_utf8(text, at).n_bytes;
  }
  return begin >= end ? std::string_view() : text.substr(first, at - first);
}

Value binary(Runtime& rt, BinaryOp op, const Value& a, const Value& b) {
  require_defined(rt, a);
  require_defined(rt, b);
  if (auto value = sequence_op(rt, op, a, b)) return *value;
  if (a.is_integral() && b.is_integral()) return int_op(rt, op, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return real_op(rt, op, a.as_double(), b.as_double());
  rt.fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op), type_name(a), type_name(b)));
}

Value negate(Runtime& rt, const Value& v) {
  require_defined(rt, v);
  if (v.is(Kind::real)) return Value::real(-v.as_double());
  if (!v.is_integral()) rt.fail("bad operand type for unary -: '" + type_name(v) + "'");
  return int_op(rt, BinaryOp::sub, 0, v.as_int());
}

Value get_attribute(Runtime& rt, const Value& object, const std::string& name) {
  require_defined(rt, object);
  if (object.is(Kind::name_space)) {
    for (const auto& [key, value] : object.name_space().attributes)
      if (key == name) return value;
    return no_attribute(object, name);
  }
  if (object.is(Kind::loop)) return loop_attribute(object, name);
  if (auto method = find_method(rt, object, name)) return *method;
  if (object.is(Kind::dict))
    if (const Value* value = object.dict().find("s" + name)) return *value;
  return no_attribute(object, name);
}

Value get_item(Runtime& rt, const Value& object, const Value& key) {
  require_defined(rt, object);
  require_defined(rt, key);
  if (object.is(Kind::dict)) {
    if (!key.is(Kind::list) && !key.is(Kind::dict))
      if (const Value* value = object.dict().find(encode_key(rt, key))) return *value;
  } else if (key.is_integral()) {
    if (auto item = item_at(rt, object, key.as_int())) return *item;
  }
  if (key.is_string()) {
    if (object.is(Kind::name_space) || object.is(Kind::loop)) return get_attribute(rt, object, key.text());
    if (auto method = find_method(rt, object, key.text())) return *method;
    return no_attribute(object, key.text());
  }
  std::string who = object.is(Kind::none) ? "None" : type_name(object) + " object";
  return Value::undefined(fmt::format("{} has no element {}", who, to_repr(rt, key)));
}

Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step) {
  require_defined(rt, object);
  auto from = slice_bound(rt, start), to = slice_bound(rt, stop), by = slice_bound(rt, step);
  if (by == 0) rt.fail("slice step cannot be zero");
  if (!object.is_string() && !object.is_sequence() && !object.is(Kind::range))
    rt.fail("'" + type_name(object) + "' object cannot be sliced");
  int64_t n = static_cast<int64_t>(length(rt, object));
  int64_t stride = std::clamp<int64_t>(by.value_or(1), -n - 1, n + 1);  // a longer step ends as well
  int64_t i = clamp(from, n, stride > 0, true), end = clamp(to, n, stride > 0, false);
  if (object.is(Kind::range)) return slice_range(object.range(), i, end, stride);
  if (object.is_string() && stride == 1) {
    rt.charge(object.str().ascii() ? 1 : object.text().size() / 64);
    return rt.string(std::string(substring(object.str(), static_cast<size_t>(i), static_cast<size_t>(std::max(i, end)))),
                     object.str().markup);
  }
  Items all = iterate(rt, object), out;
  for (; stride > 0 ? i < end : i > end; i += stride)
    out.push_back(all[static_cast<size_t>(i)]);
  if (object.is_string()) {
    std::string text;
    for (const Value& c : out) text += c.text();
    return rt.string(std::move(text), object.str().markup);
  }
  return object.is(Kind::tuple) ? rt.tuple(std::move(out)) : rt.list(std::move(out));
}

}  // namespace qeval::jinja
