#include <fmt/format.h>

#include <cmath>

#include "qeval/text/python_expr.h"
#include "qeval/text/python_token.h"

namespace qeval {
namespace {

using ValueKind = PyValue::Kind;
using Worked = tl::expected<PyValue, PyCallFault>;

constexpr size_t kMaxItems = 1 << 16;  // of a repeated string or list: more is an attack, not an argument

int64_t whole_of(const PyValue& v) { return v.is(ValueKind::boolean) ? v.truth : v.whole; }
double real_of(const PyValue& v) { return v.is(ValueKind::real) ? v.number : static_cast<double>(whole_of(v)); }

// An integer that 64 bits cannot hold: no accepted answer has one, so its type is all that counts.
PyValue beyond() { return PyValue::of_kind(ValueKind::integer, "beyond 64 bits"); }

int64_t floor_divide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

PyValue power(int64_t base, int64_t exponent) {
  int64_t out = 1;
  if (base == 0 || base == 1) return PyValue::of(exponent == 0 ? int64_t{1} : base);
  if (base == -1) return PyValue::of(exponent % 2 == 0 ? int64_t{1} : int64_t{-1});
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(out, base, &out)) return beyond();
  return PyValue::of(out);
}

Worked on_integers(const PyNode& node, int64_t a, int64_t b) {
  const std::string& op = node.text;
  int64_t out = 0;
  bool over = false;
  if (op == "+") over = __builtin_add_overflow(a, b, &out);
  else if (op == "-") over = __builtin_sub_overflow(a, b, &out);
  else if (op == "*") over = __builtin_mul_overflow(a, b, &out);
  else if (op == "&") out = a & b;
  else if (op == "|") out = a | b;
  else if (op == "^") out = a ^ b;
  else if (op == "**" && b >= 0) return power(a, b);
  else if (op == "<<" || op == ">>") {
    if (b < 0) return refuse(node, "a negative shift");
    if (op == ">>") out = b > 63 ? (a < 0 ? -1 : 0) : a >> b;
    else over = a != 0 && (b > 62 || __builtin_mul_overflow(a, int64_t{1} << b, &out));
  } else if (op == "//" || op == "%") {
    if (b == 0) return refuse(node, "a division by zero");
    if (b == -1) over = __builtin_sub_overflow(int64_t{0}, a, &out);
    else out = floor_divide(a, b);
    if (op == "%") {
      over = false;
      out = b == -1 ? 0 : a - floor_divide(a, b) * b;
    }
  } else {
    return refuse(node, "an operator that is not worked out");
  }
  return over ? beyond() : PyValue::of(out);
}

Worked on_reals(const PyNode& node, double a, double b) {
  const std::string& op = node.text;
  if (op == "+") return PyValue::of(a + b);
  if (op == "-") return PyValue::of(a - b);
  if (op == "*") return PyValue::of(a * b);
  if (op == "/" || op == "//" || op == "%") {
    if (b == 0) return refuse(node, "a division by zero");
    if (op == "/") return PyValue::of(a / b);
    double rest = std::fmod(a, b);
    if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
    return PyValue::of(op == "%" ? rest : std::floor((a - rest) / b + 0.5));
  }
  if (op == "**" && !(a < 0 && b != std::floor(b)) && !(a == 0 && b < 0)) {
    double out = std::pow(a, b);
    if (std::isinf(out) && std::isfinite(a) && std::isfinite(b)) return refuse(node, "a power beyond the range of floats");
    return PyValue::of(out);
  }
  return refuse(node, "an operation that floats do not have");
}

Worked on_sequences(const PyNode& node, const PyValue& a, const PyValue& b) {
  auto sequence = [](const PyValue& v) { return v.is(ValueKind::text) || v.is(ValueKind::list) || v.is(ValueKind::tuple); };
  PyValue out;
  if (node.text == "+" && a.kind == b.kind && sequence(a)) {
    out = a;
    out.text += b.text;
    out.items.insert(out.items.end(), b.items.begin(), b.items.end());
    return out;
  }
  const PyValue& unit = sequence(a) ? a : b;
  const PyValue& times = sequence(a) ? b : a;
  bool counts = (times.is(ValueKind::integer) && times.text.empty()) || times.is(ValueKind::boolean);
  if (node.text != "*" || !sequence(unit) || !counts) return refuse(node, "an operation that these values do not have");
  int64_t n = std::max<int64_t>(0, whole_of(times));
  size_t size = std::max<size_t>(1, unit.text.size() + unit.items.size());
  if (static_cast<uint64_t>(n) > kMaxItems / size) return refuse(node, "a sequence that is too long");
  out.kind = unit.kind;
  for (int64_t i = 0; i < n; ++i) {
    out.text += unit.text;
    out.items.insert(out.items.end(), unit.items.begin(), unit.items.end());
  }
  return out;
}

Worked on_values(const PyNode& node, const PyValue& a, const PyValue& b) {
  if (!a.is_number() || !b.is_number()) return on_sequences(node, a, b);
  bool large = (a.is(ValueKind::integer) && !a.text.empty()) || (b.is(ValueKind::integer) && !b.text.empty());
  bool reals = a.is(ValueKind::real) || b.is(ValueKind::real) || node.text == "/" || (node.text == "**" && whole_of(b) < 0);
  if (large) return reals ? Worked(PyValue::of(std::nan(""))) : Worked(beyond());
  if (reals) return on_reals(node, real_of(a), real_of(b));
  return on_integers(node, whole_of(a), whole_of(b));
}

Worked worked_items(const PyNode& node) {
  PyValue out = PyValue::of_kind(node.kind == PyNode::Kind::list ? ValueKind::list : ValueKind::tuple);
  for (const PyNode& child : node.children) {
    Worked item = python_arithmetic(child);
    if (!item) return item;
    out.items.push_back(std::move(*item));
  }
  return out;
}

}  // namespace

Worked python_arithmetic(const PyNode& node) {
  switch (node.kind) {
    case PyNode::Kind::constant:
      if (node.value.is(ValueKind::other) || node.text == "...") return refuse(node, "arithmetic over a complex number, bytes or ...");
      return node.value;
    case PyNode::Kind::list:
    case PyNode::Kind::tuple: return worked_items(node);
    case PyNode::Kind::unary: {
      Worked value = python_arithmetic(node.children[0]);
      if (!value || !value->is_number()) return value ? refuse(node, "a sign before something that is no number") : value;
      if (node.text == "-") return py_negative(*value);
      if (node.text == "+") return value->is(ValueKind::boolean) ? Worked(PyValue::of(whole_of(*value))) : value;
      if (node.text == "~" && !value->is(ValueKind::real)) return PyValue::of(~whole_of(*value));
      return refuse(node, "an operator that is not worked out");
    }
    case PyNode::Kind::binary: {
      Worked a = python_arithmetic(node.children[0]);
      if (!a) return a;
      Worked b = python_arithmetic(node.children[1]);
      if (!b) return b;
      return on_values(node, *a, *b);
    }
    default: return refuse(node, "arithmetic over anything but literals (nothing that a model wrote is executed)");
  }
}

}  // namespace qeval
