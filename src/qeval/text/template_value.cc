#include "qeval/text/template_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "qeval/text/python_literal.h"
#include "qeval/text/python_repr.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

constexpr size_t kIndexFrom = 8;  // entries; smaller dicts are searched

std::string encode_plain(const Value& key) {
  if (key.is_string()) return "s" + key.text();
  if (key.is_integral()) return "i" + std::to_string(key.as_int());
  double d = key.as_double();
  if (d == std::floor(d) && std::fabs(d) < 9.2e18) return "i" + std::to_string(static_cast<int64_t>(d));
  char bytes[sizeof d];
  std::memcpy(bytes, &d, sizeof d);
  return "d" + std::string(bytes, sizeof d);
}

std::string encode_any(const Value& key) {
  if (key.is_string() || key.is_number()) return encode_plain(key);
  if (key.is(Kind::none)) return "n";
  std::string out = "t";
  for (const Value& item : key.seq().items) {
    std::string part = encode_any(item);
    out += std::to_string(part.size()) + ":" + part;
  }
  return out;
}

bool same_key(const std::string& encoded, const Value& key) {
  if (key.is_string()) return encoded.size() == key.text().size() + 1 && encoded[0] == 's' && encoded.compare(1, std::string::npos, key.text()) == 0;
  return encode_any(key) == encoded;
}

}  // namespace

Value Value::undefined(std::string message, bool lenient) {
  auto s = std::make_shared<Str>();
  s->markup = lenient;
  s->text = std::move(message);
  return object(Kind::undefined, std::move(s));
}
Value Value::boolean(bool v) {
  Value out;
  out.kind_ = Kind::boolean;
  out.int_ = v;
  return out;
}
Value Value::integer(int64_t v) {
  Value out;
  out.kind_ = Kind::integer;
  out.int_ = v;
  return out;
}
Value Value::real(double v) {
  Value out;
  out.kind_ = Kind::real;
  out.real_ = v;
  return out;
}
Value Value::string(std::string utf8, bool markup) {
  auto s = std::make_shared<Str>();
  s->n_points = n_code_points(utf8);
  s->text = std::move(utf8);
  s->markup = markup;
  return object(Kind::string, std::move(s));
}
Value Value::object(Kind kind, std::shared_ptr<Object> object) {
  Value out;
  out.kind_ = kind;
  out.object_ = std::move(object);
  return out;
}

bool Value::is_lenient() const { return kind_ == Kind::undefined && str().markup; }

bool Value::is_container() const {
  switch (kind_) {
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::iterator:
    case Kind::name_space:
    case Kind::function:
    case Kind::loop: return true;
    default: return false;
  }
}
int Value::depth() const {
  switch (kind_) {
    case Kind::list:
    case Kind::tuple: return seq().depth;
    case Kind::dict: return dict().depth;
    case Kind::iterator: return iterator().depth;
    case Kind::function: return function().depth;
    case Kind::loop: return loop().depth;
    default: return is_container() ? 1 : 0;
  }
}

const Str& Value::str() const { return static_cast<const Str&>(*object_); }
const std::string& Value::text() const { return str().text; }
Seq& Value::seq() const { return static_cast<Seq&>(*object_); }
Dict& Value::dict() const { return static_cast<Dict&>(*object_); }
const Range& Value::range() const { return static_cast<const Range&>(*object_); }
Iterator& Value::iterator() const { return static_cast<Iterator&>(*object_); }
Namespace& Value::name_space() const { return static_cast<Namespace&>(*object_); }
const Function& Value::function() const { return static_cast<const Function&>(*object_); }
Loop& Value::loop() const { return static_cast<Loop&>(*object_); }

const Value* Dict::find(const std::string& encoded) const {
  if (!index_.empty()) {
    auto it = index_.find(encoded);
    return it == index_.end() ? nullptr : &entries[it->second].second;
  }
  for (const auto& [key, value] : entries)
    if (same_key(encoded, key)) return &value;
  return nullptr;
}
void Dict::set(const std::string& encoded, Value key, Value value) {
  depth = std::max({depth, key.depth() + 1, value.depth() + 1});
  if (const Value* existing = find(encoded)) {
    *const_cast<Value*>(existing) = std::move(value);
    return;
  }
  if (!index_.empty()) index_.emplace(encoded, entries.size());
  entries.emplace_back(std::move(key), std::move(value));
  if (index_.empty() && entries.size() > kIndexFrom)
    for (size_t i = 0; i < entries.size(); ++i) index_.emplace(encode_any(entries[i].first), i);
}
bool Dict::erase(const std::string& encoded) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!same_key(encoded, entries[i].first)) continue;
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    if (!index_.empty()) {
      index_.clear();
      for (size_t j = 0; j < entries.size(); ++j) index_.emplace(encode_any(entries[j].first), j);
    }
    return true;
  }
  return false;
}

int64_t Range::length() const {
  if (step > 0 ? start >= stop : start <= stop) return 0;
  uint64_t span = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                           : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  uint64_t width = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  return static_cast<int64_t>(std::min<uint64_t>((span - 1) / width + 1, INT64_MAX));
}

void require_defined(Runtime& rt, const Value& v) {
  if (v.is(Kind::undefined)) rt.fail(v.text());
}

bool truth(Runtime& rt, const Value& v) {
  switch (v.kind()) {
    case Kind::undefined:
      if (v.is_lenient()) return false;
      rt.fail(v.text());
    case Kind::none: return false;
    case Kind::boolean:
    case Kind::integer: return v.as_int() != 0;
    case Kind::real: return v.as_double() != 0;
    case Kind::string: return !v.text().empty();
    case Kind::list:
    case Kind::tuple: return !v.seq().items.empty();
    case Kind::dict: return !v.dict().entries.empty();
    case Kind::range: return v.range().length() > 0;
    case Kind::iterator: return v.iterator().once || !v.iterator().items.empty();
    default: return true;
  }
}

std::string type_name(const Value& v) {
  switch (v.kind()) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return v.str().markup ? "Markup" : "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dict";
    case Kind::range: return "range";
    case Kind::iterator: return v.iterator().type;
    case Kind::name_space: return "Namespace";
    case Kind::function: return "function";
    case Kind::loop: return "LoopContext";
  }
  return "object";
}

namespace {

void append_repr(Runtime& rt, std::string& out, const Value& v);

void append_items(Runtime& rt, std::string& out, const Items& items) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += ", ";
    first = false;
    append_repr(rt, out, item);
  }
}

void append_dict(Runtime& rt, std::string& out, const Dict& dict) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) out += ", ";
    first = false;
    append_repr(rt, out, key);
    out += ": ";
    append_repr(rt, out, value);
  }
  out += '}';
}

void append_repr(Runtime& rt, std::string& out, const Value& v) {
  Level level(rt);
  rt.charge(1);
  if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
  switch (v.kind()) {
    case Kind::undefined: out += "Undefined"; break;
    case Kind::none: out += "None"; break;
    case Kind::boolean: out += v.as_int() ? "True" : "False"; break;
    case Kind::integer: out += std::to_string(v.as_int()); break;
    case Kind::real: out += python_float_repr(v.as_double()); break;
    case Kind::string:
      if (v.str().markup) out += "Markup(";
      append_python_str_repr(out, v.text());
      if (v.str().markup) out += ')';
      break;
    case Kind::list:
      out += '[';
      append_items(rt, out, v.seq().items);
      out += ']';
      break;
    case Kind::tuple:
      out += '(';
      append_items(rt, out, v.seq().items);
      out += v.seq().items.size() == 1 ? ",)" : ")";
      break;
    case Kind::dict: append_dict(rt, out, v.dict()); break;
    case Kind::range:
      out += v.range().step == 1 ? fmt::format("range({}, {})", v.range().start, v.range().stop)
                                 : fmt::format("range({}, {}, {})", v.range().start, v.range().stop, v.range().step);
      break;
    case Kind::iterator:
      if (v.iterator().once) rt.fail("a " + v.iterator().type + " cannot be printed; make it a list with |list first");
      out += v.iterator().type + "([";
      append_items(rt, out, v.iterator().items);
      out += "])";
      break;
    case Kind::function: rt.fail("a function cannot be printed: expected a call of '" + v.function().name + "'");
    default: rt.fail("a " + type_name(v) + " cannot be printed");
  }
}

}  // namespace

std::string to_repr(Runtime& rt, const Value& v) {
  std::string out;
  append_repr(rt, out, v);
  return out;
}

std::string to_str(Runtime& rt, const Value& v) {
  if (v.is_lenient()) return "";
  require_defined(rt, v);
  return v.is_string() ? v.text() : to_repr(rt, v);
}

namespace {

void check_hashable(Runtime& rt, const Value& key) {
  Level level(rt);
  rt.charge(64);  // nested tuples may share their parts, their encoding does not
  if (key.is(Kind::undefined)) rt.fail(key.text());
  if (key.is(Kind::tuple))
    for (const Value& item : key.seq().items) check_hashable(rt, item);
  else if (!key.is_string() && !key.is_number() && !key.is(Kind::none))
    rt.fail("unhashable type: '" + type_name(key) + "'");
}

}  // namespace

std::string encode_key(Runtime& rt, const Value& key) {
  if (!key.is_string()) check_hashable(rt, key);
  return encode_any(key);
}
void dict_set(Runtime& rt, Dict& dict, Value key, Value value) {
  rt.charge(4);
  std::string encoded = encode_key(rt, key);
  dict.set(encoded, std::move(key), std::move(value));
  if (dict.depth > kMaxValueDepth) rt.fail(fmt::format("a value is nested deeper than {}", kMaxValueDepth));
}

Value new_dict() { return Value::object(Kind::dict, std::make_shared<Dict>()); }

namespace {

bool equal_items(Runtime& rt, const Items& a, const Items& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equals(rt, a[i], b[i])) return false;
  return true;
}

bool equal_dicts(Runtime& rt, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(encode_key(rt, key));
    if (!other || !equals(rt, value, *other)) return false;
  }
  return true;
}

}  // namespace

bool equals(Runtime& rt, const Value& a, const Value& b) {
  Level level(rt);
  rt.charge(1);
  if (!a.is_lenient()) require_defined(rt, a);
  if (!b.is_lenient()) require_defined(rt, b);
  if (a.is_integral() && b.is_integral()) return a.as_int() == b.as_int();
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string: return a.text() == b.text();
    case Kind::list:
    case Kind::tuple: return a.object() == b.object() || equal_items(rt, a.seq().items, b.seq().items);
    case Kind::dict: return a.object() == b.object() || equal_dicts(rt, a.dict(), b.dict());
    case Kind::range: {
      const Range &x = a.range(), &y = b.range();
      int64_t n = x.length();
      return n == y.length() && (n == 0 || (x.start == y.start && (n == 1 || x.step == y.step)));
    }
    default: return a.object() == b.object();
  }
}

int compare(Runtime& rt, const Value& a, const Value& b, std::string_view op) {
  Level level(rt);
  rt.charge(1);
  require_defined(rt, a);
  require_defined(rt, b);
  auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_integral() && b.is_integral()) return sign(a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) {
    double x = a.as_double(), y = b.as_double();
    return std::isnan(x) || std::isnan(y) ? 2 : sign(x, y);
  }
  if (a.is_string() && b.is_string()) return sign(a.text().compare(b.text()), 0);
  if (a.is_sequence() && a.kind() == b.kind()) {
    const Items &x = a.seq().items, &y = b.seq().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equals(rt, x[i], y[i])) return compare(rt, x[i], y[i], op);
    return sign(x.size(), y.size());
  }
  rt.fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b)));
}

}  // namespace qeval::jinja
