#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_value.h"

namespace qeval::jinja {
namespace {

// A method of a list, tuple, dict, range or number: the object stands first.
using Method = Value (*)(Runtime&, const Value&, Args&);

size_t start_argument(Runtime& rt, const std::string& name, const std::optional<Value>& v, size_t n, size_t absent) {
  if (!v) return absent;
  int64_t i = int_argument(rt, name, *v);
  if (i < 0) i = std::max<int64_t>(i + static_cast<int64_t>(n), 0);
  return std::min(static_cast<size_t>(i), n);
}

Value index(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "index", args, {"value", "start", "stop"}, 1);
  const Items items = self.is(Kind::range) ? iterate(rt, self) : self.seq().items;
  size_t end = start_argument(rt, "index", a[2], items.size(), items.size());
  for (size_t i = start_argument(rt, "index", a[1], items.size(), 0); i < end; ++i)
    if (equals(rt, items[i], *a[0])) return Value::integer(static_cast<int64_t>(i));
  rt.fail(to_repr(rt, *a[0]).substr(0, 200) + " is not in " + type_name(self));
}

Value count(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "count", args, {"value"}, 1);
  int64_t n = 0;
  for (const Value& item : iterate(rt, self)) n += equals(rt, item, *a[0]);
  return Value::integer(n);
}

void grow(Runtime& rt, const Value& self, const Value& item) {
  rt.charge(4);
  if (item.is_container()) rt.keep(self.object());
}

Value append(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "append", args, {"object"}, 1);
  grow(rt, self, *a[0]);
  self.seq().items.push_back(*a[0]);
  return Value();
}

Value extend(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "extend", args, {"iterable"}, 1);
  for (Value& item : iterate(rt, *a[0])) {
    grow(rt, self, item);
    self.seq().items.push_back(std::move(item));
  }
  return Value();
}

Value insert(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "insert", args, {"index", "object"}, 2);
  Items& items = self.seq().items;
  size_t at = start_argument(rt, "insert", a[0], items.size(), 0);
  grow(rt, self, *a[1]);
  rt.charge(items.size() / 8);
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), *a[1]);
  return Value();
}

Value pop(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "pop", args, {"index"}, 0);
  Items& items = self.seq().items;
  int64_t i = a[0] ? int_argument(rt, "pop", *a[0]) : -1;
  if (i < 0) i += static_cast<int64_t>(items.size());
  if (i < 0 || i >= static_cast<int64_t>(items.size())) rt.fail(items.empty() ? "pop from empty list" : "pop index out of range");
  Value out = items[static_cast<size_t>(i)];
  rt.charge(items.size() / 8);
  items.erase(items.begin() + i);
  return out;
}

Value remove(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "remove", args, {"value"}, 1);
  Items& items = self.seq().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!equals(rt, items[i], *a[0])) continue;
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
    return Value();
  }
  rt.fail("list.remove(x): x not in list");
}

Value reverse(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "reverse", args, {}, 0);
  rt.charge(self.seq().items.size());
  std::reverse(self.seq().items.begin(), self.seq().items.end());
  return Value();
}

Value copy(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "copy", args, {}, 0);
  if (self.is(Kind::list)) return rt.list(self.seq().items);
  Value out = new_dict();
  for (const auto& [key, value] : self.dict().entries) dict_set(rt, out.dict(), key, value);
  return out;
}

Value clear(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "clear", args, {}, 0);
  self.seq().items.clear();
  return Value();
}

Value keys(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "keys", args, {}, 0);
  return rt.iterator("dict_keys", iterate(rt, self), false);
}

Value values(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "values", args, {}, 0);
  Items out;
  for (const auto& entry : self.dict().entries) out.push_back(entry.second);
  return rt.iterator("dict_values", std::move(out), false);
}

Value items(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "items", args, {}, 0);
  Items out;
  for (const auto& [key, value] : self.dict().entries) out.push_back(rt.tuple({key, value}));
  return rt.iterator("dict_items", std::move(out), false);
}

Value get(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "get", args, {"key", "default"}, 1);
  const Value* found = self.dict().find(encode_key(rt, *a[0]));
  return found ? *found : a[1] ? *a[1] : Value();
}

Value dict_pop(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "pop", args, {"key", "default"}, 1);
  std::string key = encode_key(rt, *a[0]);
  if (const Value* found = self.dict().find(key)) {
    Value out = *found;
    rt.charge(self.dict().entries.size() * 2);
    self.dict().erase(key);
    return out;
  }
  if (a[1]) return *a[1];
  rt.fail("there is no key " + to_repr(rt, *a[0]));
}

Value update(Runtime& rt, const Value& self, Args& args) {
  if (args.positional.size() > 1) rt.fail("update expected at most 1 argument");
  auto put = [&](const Value& key, const Value& value) {
    if (key.is_container() || value.is_container()) rt.keep(self.object());
    dict_set(rt, self.dict(), key, value);
  };
  if (!args.positional.empty()) {
    const Value& other = args.positional[0];
    if (other.is(Kind::dict)) {
      auto entries = other.dict().entries;
      for (const auto& [key, value] : entries) put(key, value);
    } else {
      for (const Value& pair : iterate(rt, other)) {
        Items two = iterate(rt, pair);
        if (two.size() != 2) rt.fail("update expected pairs of key and value");
        put(two[0], two[1]);
      }
    }
  }
  for (const auto& [key, value] : args.named) put(rt.string(key), value);
  return Value();
}

Value setdefault(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "setdefault", args, {"key", "default"}, 1);
  if (const Value* found = self.dict().find(encode_key(rt, *a[0]))) return *found;
  Value value = a[1] ? *a[1] : Value();
  if (value.is_container() || a[0]->is_container()) rt.keep(self.object());
  dict_set(rt, self.dict(), *a[0], value);
  return value;
}

Value is_integer(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "is_integer", args, {}, 0);
  double d = self.as_double();
  return Value::boolean(d == static_cast<double>(static_cast<int64_t>(std::clamp(d, -9e18, 9e18))));
}

struct MethodRow {
  Kind kind;
  std::string_view name;
  Method method;
};
constexpr MethodRow kMethods[] = {
    {Kind::list, "index", index},     {Kind::tuple, "index", index},       {Kind::list, "count", count},
    {Kind::tuple, "count", count},    {Kind::range, "index", index},
    {Kind::range, "count", count},    {Kind::list, "append", append},      {Kind::list, "extend", extend},
    {Kind::list, "insert", insert},   {Kind::list, "pop", pop},            {Kind::list, "remove", remove},
    {Kind::list, "reverse", reverse}, {Kind::list, "copy", copy},          {Kind::list, "clear", clear},
    {Kind::dict, "keys", keys},       {Kind::dict, "values", values},      {Kind::dict, "items", items},
    {Kind::dict, "get", get},         {Kind::dict, "pop", dict_pop},       {Kind::dict, "update", update},
    {Kind::dict, "copy", copy},       {Kind::dict, "setdefault", setdefault}, {Kind::real, "is_integer", is_integer},
};

}  // namespace

Value make_function(std::string name, std::function<Value(Runtime&, Args&)> call, int depth) {
  auto function = std::make_shared<Function>();
  function->name = std::move(name);
  function->call = std::move(call);
  function->depth = depth + 1;
  return Value::object(Kind::function, std::move(function));
}

std::optional<Value> find_method(Runtime& rt, const Value& object, const std::string& name) {
  if (object.is_string()) return find_str_method(rt, object, name);
  for (const MethodRow& row : kMethods) {
    if (row.kind != object.kind() || row.name != name) continue;
    return make_function(name, [object, method = row.method](Runtime& r, Args& args) { return method(r, object, args); },
                         object.depth());
  }
  return std::nullopt;
}

std::vector<std::optional<Value>> bind(Runtime& rt, const std::string& function, const Args& args,
                                       const std::vector<std::string>& names, size_t n_required) {
  std::vector<std::optional<Value>> out(names.size());
  if (args.positional.size() > names.size())
    rt.fail(fmt::format("{}() expected at most {} arguments, found {}", function, names.size(), args.positional.size()));
  for (size_t i = 0; i < args.positional.size(); ++i) out[i] = args.positional[i];
  for (const auto& [name, value] : args.named) {
    auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) rt.fail(fmt::format("{}() has no argument '{}'", function, name));
    auto& slot = out[static_cast<size_t>(it - names.begin())];
    if (slot) rt.fail(fmt::format("{}() got multiple values for argument '{}'", function, name));
    slot = value;
  }
  for (size_t i = 0; i < n_required; ++i)
    if (!out[i]) rt.fail(fmt::format("{}() expected the argument '{}'", function, names[i]));
  return out;
}

int64_t int_argument(Runtime& rt, const std::string& function, const Value& v) {
  require_defined(rt, v);
  if (!v.is_integral()) rt.fail(fmt::format("{}: expected an integer, found {}", function, type_name(v)));
  return v.as_int();
}

std::string str_argument(Runtime& rt, const std::string& function, const Value& v) {
  require_defined(rt, v);
  if (!v.is_string()) rt.fail(fmt::format("{}: expected a str, found {}", function, type_name(v)));
  return v.text();
}

}  // namespace qeval::jinja
