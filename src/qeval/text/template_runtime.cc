#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

constexpr size_t kMaxUnits = 10'000'000;  // a node evaluated, or 64 bytes written, is one
constexpr int kMaxDepth = 1200;           // levels of evaluation, values included

std::optional<Items> views_of(const Value& v) {
  switch (v.kind()) {
    case Kind::list:
    case Kind::tuple: return v.seq().items;
    case Kind::iterator: return v.iterator().items;
    default: return std::nullopt;
  }
}

}  // namespace

int depth_of(const Items& items) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
  return depth;
}

Runtime::~Runtime() {
  for (auto& object : kept_) {
    if (auto* seq = dynamic_cast<Seq*>(object.get())) seq->items.clear();
    else if (auto* dict = dynamic_cast<Dict*>(object.get())) dict->entries.clear();
    else if (auto* ns = dynamic_cast<Namespace*>(object.get())) ns->attributes.clear();
    else if (auto* loop = dynamic_cast<Loop*>(object.get())) loop->last_changed.reset();
  }
}

void Runtime::charge(size_t units) {
  used_ += units;
  if (used_ > kMaxUnits) fail("the template takes too many steps");
}

void Runtime::enter() {
  if (++depth_ > kMaxDepth) {
    --depth_;
    fail("the template recurses too deeply");
  }
}

Value Runtime::string(std::string utf8, bool markup) {
  if (utf8.size() > kMaxStringBytes) fail("a text grows beyond 64 MiB");
  charge(1 + utf8.size() / 64);
  return Value::string(std::move(utf8), markup);
}

Value Runtime::sequence(Kind kind, Items items) {
  charge(1 + items.size() * 2);
  auto seq = std::make_shared<Seq>();
  seq->depth = depth_of(items);
  if (seq->depth > kMaxValueDepth) fail(fmt::format("a value is nested deeper than {}", kMaxValueDepth));
  seq->items = std::move(items);
  return Value::object(kind, std::move(seq));
}

Value Runtime::iterator(std::string type, Items items, bool once) {
  charge(1 + items.size() * 2);
  auto it = std::make_shared<Iterator>();
  it->depth = depth_of(items);
  if (it->depth > kMaxValueDepth) fail(fmt::format("a value is nested deeper than {}", kMaxValueDepth));
  it->type = std::move(type);
  it->items = std::move(items);
  it->once = once;
  return Value::object(Kind::iterator, std::move(it));
}

Value Runtime::from_json(const Json& json, int depth) {
  if (depth > kMaxValueDepth) fail(fmt::format("a variable is nested deeper than {}", kMaxValueDepth));
  charge(1);
  switch (json.type()) {
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      uint64_t v = json.get<uint64_t>();
      if (v > INT64_MAX) fail("an integer variable does not fit 64 bits");
      return Value::integer(static_cast<int64_t>(v));
    }
    case Json::value_t::number_float: return Value::real(json.get<double>());
    case Json::value_t::string: {
      const std::string& s = json.get_ref<const std::string&>();
      return string(valid_utf8(s));
    }
    case Json::value_t::array: {
      Items items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, depth + 1));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      Value out = new_dict();
      for (auto it = json.begin(); it != json.end(); ++it)
        dict_set(*this, out.dict(), string(valid_utf8(it.key())), from_json(it.value(), depth + 1));
      return out;
    }
    default: return Value();
  }
}

Json Runtime::to_json(const Value& v, int depth) {
  if (depth > kMaxValueDepth) fail(fmt::format("a result is nested deeper than {}", kMaxValueDepth));
  charge(8);
  if (auto items = views_of(v)) {
    Json out = Json::array();
    for (const Value& item : *items) out.push_back(to_json(item, depth + 1));
    return out;
  }
  switch (v.kind()) {
    case Kind::none: return nullptr;
    case Kind::boolean: return v.as_int() != 0;
    case Kind::integer: return v.as_int();
    case Kind::real: return v.as_double();
    case Kind::string: return v.text();
    case Kind::range: return to_json(list(iterate(*this, v)), depth);
    case Kind::dict: {
      Json out = Json::object();
      auto& object = out.get_ref<Json::object_t&>();
      for (const auto& [key, value] : v.dict().entries)
        object.Json::object_t::Container::emplace_back(to_str(*this, key), to_json(value, depth + 1));
      return out;
    }
    default: break;
  }
  require_defined(*this, v);
  fail("a " + type_name(v) + " is no value that a template can give");
}

Items iterate(Runtime& rt, const Value& v) {
  if (v.is_lenient()) return {};
  require_defined(rt, v);
  Items out;
  switch (v.kind()) {
    case Kind::string: {
      const std::string& s = v.text();
      rt.charge(s.size() * 2);
      for (size_t i = 0; i < s.size();) {
        size_t n = decode_utf8(s, i).n_bytes;
        out.push_back(Value::string(s.substr(i, n)));
        i += n;
      }
      return out;
    }
    case Kind::list:
    case Kind::tuple: out = v.seq().items; break;
    case Kind::dict:
      for (const auto& entry : v.dict().entries) out.push_back(entry.first);
      break;
    case Kind::range: {
      int64_t n = v.range().length();
      rt.charge(static_cast<size_t>(n) < SIZE_MAX / 4 ? static_cast<size_t>(n) * 2 : SIZE_MAX / 4);
      for (int64_t i = 0; i < n; ++i) out.push_back(Value::integer(v.range().start + i * v.range().step));
      return out;
    }
    case Kind::iterator:
      if (!v.iterator().once) {
        out = v.iterator().items;
        break;
      }
      out.swap(v.iterator().items);
      break;
    default: rt.fail("'" + type_name(v) + "' object is not iterable");
  }
  rt.charge(out.size() * 2);
  return out;
}

size_t length(Runtime& rt, const Value& v) {
  if (v.is_lenient()) return 0;
  require_defined(rt, v);
  switch (v.kind()) {
    case Kind::string: return v.str().n_points;
    case Kind::list:
    case Kind::tuple: return v.seq().items.size();
    case Kind::dict: return v.dict().entries.size();
    case Kind::range: return static_cast<size_t>(v.range().length());
    case Kind::iterator:
      if (!v.iterator().once) return v.iterator().items.size();
      break;
    default: break;
  }
  rt.fail("object of type '" + type_name(v) + "' has no len()");
}

bool contains(Runtime& rt, const Value& container, const Value& item) {
  require_defined(rt, container);
  if (container.is_string()) {
    require_defined(rt, item);
    if (!item.is_string()) rt.fail("'in <string>' requires string as left operand, not " + type_name(item));
    rt.charge(container.text().size() / 64);
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Kind::dict)) return container.dict().find(encode_key(rt, item)) != nullptr;
  if (container.is(Kind::range) && item.is_integral()) {
    const Range& r = container.range();
    int64_t v = item.as_int();
    if (r.step > 0 ? v < r.start || v >= r.stop : v > r.start || v <= r.stop) return false;
    return (static_cast<__int128>(v) - r.start) % r.step == 0;
  }
  if (!container.is_sequence() && !container.is(Kind::iterator) && !container.is(Kind::range))
    rt.fail("argument of type '" + type_name(container) + "' is not iterable");
  if (container.is_sequence()) {
    const Items& items = container.seq().items;
    return std::any_of(items.begin(), items.end(), [&](const Value& v) { return equals(rt, item, v); });
  }
  Items items = iterate(rt, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& v) { return equals(rt, item, v); });
}

}  // namespace qeval::jinja
