#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

const Value& only(Runtime& rt, const Args& args) {
  if (args.positional.size() != 1 || !args.named.empty()) rt.fail("a test was given arguments that it does not take");
  return args.positional[0];
}
std::pair<Value, Value> two(Runtime& rt, const Args& args) {
  if (args.positional.size() != 2 || !args.named.empty()) rt.fail("a test expected exactly one argument");
  return {args.positional[0], args.positional[1]};
}

template <Kind K>
bool is_kind(Runtime& rt, Args& args) {
  return only(rt, args).is(K);
}
bool defined(Runtime& rt, Args& args) { return !only(rt, args).is(Kind::undefined); }
bool is_true(Runtime& rt, Args& args) { return only(rt, args).is(Kind::boolean) && args.positional[0].as_int(); }
bool is_false(Runtime& rt, Args& args) { return only(rt, args).is(Kind::boolean) && !args.positional[0].as_int(); }
bool number(Runtime& rt, Args& args) { return only(rt, args).is_number(); }
bool sequence(Runtime& rt, Args& args) {
  const Value& v = only(rt, args);
  return v.is_string() || v.is_sequence() || v.is(Kind::dict) || v.is(Kind::range);
}
bool iterable(Runtime& rt, Args& args) {
  const Value& v = only(rt, args);
  require_defined(rt, v);
  return v.is_string() || v.is_sequence() || v.is(Kind::dict) || v.is(Kind::range) || v.is(Kind::iterator) || v.is(Kind::loop);
}
bool escaped(Runtime& rt, Args& args) { return only(rt, args).is_string() && args.positional[0].str().markup; }

int64_t remainder_of(Runtime& rt, const Value& v, int64_t divisor) {
  Value rest = binary(rt, BinaryOp::mod, v, Value::integer(divisor));
  if (!rest.is_number()) rt.fail("expected a number, found " + type_name(v));
  return rest.as_double() == static_cast<double>(static_cast<int64_t>(rest.as_double())) ? static_cast<int64_t>(rest.as_double()) : -1;
}
bool even(Runtime& rt, Args& args) { return remainder_of(rt, only(rt, args), 2) == 0; }
bool odd(Runtime& rt, Args& args) { return remainder_of(rt, only(rt, args), 2) == 1; }
bool divisible_by(Runtime& rt, Args& args) {
  auto [v, by] = two(rt, args);
  return remainder_of(rt, v, int_argument(rt, "divisibleby", by)) == 0;
}

bool eq(Runtime& rt, Args& args) {
  auto [a, b] = two(rt, args);
  return equals(rt, a, b);
}
bool ne(Runtime& rt, Args& args) { return !eq(rt, args); }
template <int Wanted, bool OrEqual>
bool ordered(Runtime& rt, Args& args) {
  auto [a, b] = two(rt, args);
  int order = compare(rt, a, b, Wanted < 0 ? "<" : ">");
  return order == Wanted || (OrEqual && order == 0);
}
bool in(Runtime& rt, Args& args) {
  auto [a, b] = two(rt, args);
  return contains(rt, b, a);
}
bool same_as(Runtime& rt, Args& args) {
  auto [a, b] = two(rt, args);
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::none)) return true;
  return a.is_integral() ? a.as_int() == b.as_int() : a.object() && a.object() == b.object();
}

template <bool Upper>
bool cased(Runtime& rt, Args& args) {
  bool any = false;
  for (uint32_t c : code_points(to_str(rt, only(rt, args)))) {
    if (py_is_title(c) || (Upper ? py_is_lower(c) : py_is_upper(c))) return false;
    any |= Upper ? py_is_upper(c) : py_is_lower(c);
  }
  return any;
}

bool is_filter(Runtime& rt, Args& args) {
  const Value& v = only(rt, args);
  return v.is_string() && find_filter(v.text());
}
bool is_test(Runtime& rt, Args& args) {
  const Value& v = only(rt, args);
  return v.is_string() && find_test(v.text());
}

struct TestRow {
  std::string_view name;
  TestFunction test;
};
constexpr TestRow kTests[] = {
    {"defined", defined},
    {"undefined", is_kind<Kind::undefined>},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"true", is_true},
    {"false", is_false},
    {"integer", is_kind<Kind::integer>},
    {"float", is_kind<Kind::real>},
    {"number", number},
    {"string", is_kind<Kind::string>},
    {"mapping", is_kind<Kind::dict>},
    {"sequence", sequence},
    {"iterable", iterable},
    {"callable", is_kind<Kind::function>},
    {"escaped", escaped},
    {"even", even},
    {"odd", odd},
    {"divisibleby", divisible_by},
    {"==", eq},
    {"!=", ne},
    {"<", ordered<-1, false>},
    {"<=", ordered<-1, true>},
    {">", ordered<1, false>},
    {">=", ordered<1, true>},
    {"eq", eq},
    {"equalto", eq},
    {"ne", ne},
    {"lt", ordered<-1, false>},
    {"lessthan", ordered<-1, false>},
    {"le", ordered<-1, true>},
    {"gt", ordered<1, false>},
    {"greaterthan", ordered<1, false>},
    {"ge", ordered<1, true>},
    {"in", in},
    {"sameas", same_as},
    {"upper", cased<true>},
    {"lower", cased<false>},
    {"filter", is_filter},
    {"test", is_test},
};

Value range(Runtime& rt, Args& args) {
  if (args.positional.empty() || args.positional.size() > 3 || !args.named.empty()) rt.fail("range expected 1 to 3 arguments");
  auto r = std::make_shared<Range>();
  int64_t v[3] = {0, 0, 1};
  for (size_t i = 0; i < args.positional.size(); ++i) v[i] = int_argument(rt, "range", args.positional[i]);
  r->start = args.positional.size() == 1 ? 0 : v[0];
  r->stop = args.positional.size() == 1 ? v[0] : v[1];
  r->step = v[2];
  if (r->step == 0) rt.fail("range() arg 3 must not be zero");
  return Value::object(Kind::range, std::move(r));
}

Value dict(Runtime& rt, Args& args) {
  Value out = new_dict();
  find_method(rt, out, "update")->function().call(rt, args);
  return out;
}

Value name_space(Runtime& rt, Args& args) {
  Value values = dict(rt, args);
  auto ns = std::make_shared<Namespace>();
  for (const auto& [key, value] : values.dict().entries) ns->attributes.emplace_back(to_str(rt, key), value);
  rt.keep(ns);
  return Value::object(Kind::name_space, std::move(ns));
}

}  // namespace

TestFunction find_test(std::string_view name) {
  for (const TestRow& row : kTests)
    if (row.name == name) return row.test;
  return nullptr;
}

Value find_global(std::string_view name) {
  if (name == "range") return make_function("range", range);
  if (name == "dict") return make_function("dict", dict);
  if (name == "namespace") return make_function("namespace", name_space);
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

}  // namespace qeval::jinja
