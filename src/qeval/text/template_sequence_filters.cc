#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"

namespace qeval::jinja {
namespace {

// What map, select and reject walk through: anything false is empty, as in Jinja.
Items walked(Runtime& rt, const Args& args, std::string_view filter) {
  if (args.positional.empty()) rt.fail(fmt::format("{}: expected a value", filter));
  return truth(rt, args.positional[0]) ? iterate(rt, args.positional[0]) : Items();
}

// Upper and lower case are one, unless `case_sensitive`.
Value sort_key(Runtime& rt, const Value& v, bool case_sensitive) {
  return case_sensitive || !v.is_string() ? v : rt.string(py_lower(v.text()));
}

Value keyed(Runtime& rt, const Value& item, const std::optional<Value>& attribute, bool case_sensitive) {
  Value v = attribute && !attribute->is(Kind::none) ? attribute_path(rt, item, *attribute) : item;
  return sort_key(rt, v, case_sensitive);
}

bool flag(Runtime& rt, const std::optional<Value>& v) { return v && truth(rt, *v); }

Items sorted(Runtime& rt, Items items, const std::vector<Items>& keys, bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto less = [&](size_t a, size_t b) {
    for (size_t k = 0; k < keys[a].size(); ++k) {
      if (equals(rt, keys[a][k], keys[b][k])) continue;
      return compare(rt, keys[a][k], keys[b][k], "<") == -1;
    }
    return false;
  };
  // Python's reverse sort keeps equal items in their order.
  if (reverse) std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return less(b, a); });
  else std::stable_sort(order.begin(), order.end(), less);
  Items out;
  for (size_t i : order) out.push_back(std::move(items[i]));
  return out;
}

Value sort(Runtime& rt, Args& args) {
  auto a = bind(rt, "sort", args, {"value", "reverse", "case_sensitive", "attribute"}, 1);
  Items items = iterate(rt, *a[0]);
  bool sensitive = flag(rt, a[2]);
  std::vector<Items> keys;
  for (const Value& item : items) {
    Items& key = keys.emplace_back();
    // 'a,b' sorts by several attributes.
    if (a[3] && a[3]->is_string()) {
      std::string_view rest = a[3]->text();
      while (true) {
        size_t comma = rest.find(',');
        key.push_back(keyed(rt, item, rt.string(std::string(rest.substr(0, comma))), sensitive));
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
      }
    } else {
      key.push_back(keyed(rt, item, a[3], sensitive));
    }
  }
  return rt.list(sorted(rt, std::move(items), keys, flag(rt, a[1])));
}

Value dict_sort(Runtime& rt, Args& args) {
  auto a = bind(rt, "dictsort", args, {"value", "case_sensitive", "by", "reverse"}, 1);
  require_defined(rt, *a[0]);
  if (!a[0]->is(Kind::dict)) rt.fail("dictsort: expected a dict, found " + type_name(*a[0]));
  std::string by = a[2] ? str_argument(rt, "dictsort", *a[2]) : "key";
  if (by != "key" && by != "value") rt.fail("dictsort: expected by='key' or by='value'");
  Items items;
  std::vector<Items> keys;
  for (const auto& [key, value] : a[0]->dict().entries) {
    items.push_back(rt.tuple({key, value}));
    keys.push_back({sort_key(rt, by == "key" ? key : value, flag(rt, a[1]))});
  }
  return rt.list(sorted(rt, std::move(items), keys, flag(rt, a[3])));
}

Value unique(Runtime& rt, Args& args) {
  auto a = bind(rt, "unique", args, {"value", "case_sensitive", "attribute"}, 1);
  Value seen = new_dict();
  Items out;
  for (const Value& item : iterate(rt, *a[0])) {
    Value key = keyed(rt, item, a[2], flag(rt, a[1]));
    if (seen.dict().find(encode_key(rt, key))) continue;
    dict_set(rt, seen.dict(), key, Value());
    out.push_back(item);
  }
  return rt.iterator("generator", std::move(out));
}

template <bool Max>
Value extreme(Runtime& rt, Args& args) {
  auto a = bind(rt, Max ? "max" : "min", args, {"value", "case_sensitive", "attribute"}, 1);
  Items items = iterate(rt, *a[0]);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = keyed(rt, items[0], a[2], flag(rt, a[1]));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = keyed(rt, items[i], a[2], flag(rt, a[1]));
    if (compare(rt, key, best_key, Max ? ">" : "<") != (Max ? 1 : -1)) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

Value sum(Runtime& rt, Args& args) {
  auto a = bind(rt, "sum", args, {"iterable", "attribute", "start"}, 1);
  Value total = a[2].value_or(Value::integer(0));
  if (total.is_string()) rt.fail("sum() can't sum strings; use join");
  bool by = a[1] && !a[1]->is(Kind::none);
  for (const Value& item : iterate(rt, *a[0])) total = binary(rt, BinaryOp::add, total, by ? attribute_path(rt, item, *a[1]) : item);
  return total;
}

Value join(Runtime& rt, Args& args) {
  auto a = bind(rt, "join", args, {"value", "d", "attribute"}, 1);
  std::string glue = a[1] ? to_str(rt, *a[1]) : "", out;
  bool by = a[2] && !a[2]->is(Kind::none), first = true;
  for (const Value& item : iterate(rt, *a[0])) {
    if (!first) out += glue;
    first = false;
    out += to_str(rt, by ? attribute_path(rt, item, *a[2]) : item);
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
  }
  return rt.string(std::move(out));
}

Value list(Runtime& rt, Args& args) {
  auto a = bind(rt, "list", args, {"value"}, 1);
  return rt.list(iterate(rt, *a[0]));
}

Value first(Runtime& rt, Args& args) {
  auto a = bind(rt, "first", args, {"seq"}, 1);
  Items items = iterate(rt, *a[0]);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Runtime& rt, Args& args) {
  auto a = bind(rt, "last", args, {"seq"}, 1);
  if (a[0]->is(Kind::iterator) && a[0]->iterator().once) rt.fail("'" + type_name(*a[0]) + "' object is not reversible");
  Items items = iterate(rt, *a[0]);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value reverse(Runtime& rt, Args& args) {
  auto a = bind(rt, "reverse", args, {"value"}, 1);
  Items items = iterate(rt, *a[0]);
  std::reverse(items.begin(), items.end());
  if (!a[0]->is_string()) return rt.iterator("reversed", std::move(items));
  std::string out;
  for (const Value& c : items) out += c.text();
  return rt.string(std::move(out));
}

Value batch(Runtime& rt, Args& args) {
  auto a = bind(rt, "batch", args, {"value", "linecount", "fill_with"}, 2);
  int64_t size = int_argument(rt, "batch", *a[1]);
  if (size > 1'000'000) rt.fail("batch: the size is too large");
  Items rows, row;
  for (Value& item : iterate(rt, *a[0])) {
    if (static_cast<int64_t>(row.size()) == size) rows.push_back(rt.list(std::exchange(row, {})));
    row.push_back(std::move(item));
  }
  if (!row.empty()) {
    if (a[2] && !a[2]->is(Kind::none))
      while (static_cast<int64_t>(row.size()) < size) row.push_back(*a[2]);
    rows.push_back(rt.list(std::move(row)));
  }
  return rt.iterator("generator", std::move(rows));
}

Value slice(Runtime& rt, Args& args) {
  auto a = bind(rt, "slice", args, {"value", "slices", "fill_with"}, 2);
  Items items = iterate(rt, *a[0]), out;
  int64_t n = int_argument(rt, "slice", *a[1]);
  if (n == 0) rt.fail("integer division or modulo by zero");
  if (n > 1'000'000) rt.fail("slice: the number of slices is too large");
  size_t slices = static_cast<size_t>(std::max<int64_t>(n, 0)), at = 0;
  for (size_t i = 0; i < slices; ++i) {
    size_t each = items.size() / slices, extra = items.size() % slices, take = each + (i < extra);
    Items part(items.begin() + static_cast<std::ptrdiff_t>(at), items.begin() + static_cast<std::ptrdiff_t>(at + take));
    at += take;
    if (a[2] && !a[2]->is(Kind::none) && i >= extra) part.push_back(*a[2]);
    out.push_back(rt.list(std::move(part)));
  }
  return rt.iterator("generator", std::move(out));
}

Value items(Runtime& rt, Args& args) {
  auto a = bind(rt, "items", args, {"value"}, 1);
  if (a[0]->is(Kind::undefined)) return rt.iterator("generator", {});
  if (!a[0]->is(Kind::dict)) rt.fail("Can only get item pairs from a mapping.");
  Items out;
  for (const auto& [key, value] : a[0]->dict().entries) out.push_back(rt.tuple({key, value}));
  return rt.iterator("generator", std::move(out));
}

Value group_by(Runtime& rt, Args& args) {
  auto a = bind(rt, "groupby", args, {"value", "attribute", "default", "case_sensitive"}, 2);
  Items all = iterate(rt, *a[0]);
  bool sensitive = flag(rt, a[3]);
  std::vector<Items> keys;
  Items plain;
  for (const Value& item : all) {
    Value v = attribute_path(rt, item, *a[1]);
    if (v.is(Kind::undefined) && a[2]) v = *a[2];
    plain.push_back(v);
    keys.push_back({sort_key(rt, v, sensitive)});
  }
  Items pairs;
  for (size_t i = 0; i < all.size(); ++i) pairs.push_back(rt.tuple({plain[i], all[i], keys[i][0]}));
  pairs = sorted(rt, std::move(pairs), keys, false);
  Items out, group;
  for (size_t i = 0; i < pairs.size(); ++i) {
    group.push_back(pairs[i].seq().items[1]);
    bool ends = i + 1 == pairs.size() || !equals(rt, pairs[i].seq().items[2], pairs[i + 1].seq().items[2]);
    if (!ends) continue;
    const Value& name = pairs[i + 1 - group.size()].seq().items[0];
    out.push_back(rt.tuple({name, rt.list(std::exchange(group, {}))}));
  }
  return rt.list(std::move(out));
}

Value attr(Runtime& rt, Args& args) {
  auto a = bind(rt, "attr", args, {"obj", "name"}, 2);
  require_defined(rt, *a[0]);
  std::string name = str_argument(rt, "attr", *a[1]);
  // Attributes only: a dict's keys are none.
  if (a[0]->is(Kind::dict))
    return find_method(rt, *a[0], name).value_or(Value::undefined("'dict object' has no attribute '" + name + "'"));
  return get_attribute(rt, *a[0], name);
}

Value map(Runtime& rt, Args& args) {
  Items out, in = walked(rt, args, "map");
  if (args.positional.size() == 1) {
    std::optional<Value> attribute, fallback;
    for (const auto& [name, value] : args.named) {
      if (name == "attribute") attribute = value;
      else if (name == "default") fallback = value;
      else rt.fail("map: unexpected argument '" + name + "'");
    }
    if (!attribute) rt.fail("map: expected the name of a filter, or attribute=…");
    for (const Value& item : in) {
      Value v = attribute_path(rt, item, *attribute);
      out.push_back(v.is(Kind::undefined) && fallback && !fallback->is(Kind::none) ? *fallback : v);
    }
    return rt.iterator("generator", std::move(out));
  }
  std::string name = str_argument(rt, "map", args.positional[1]);
  Builtin filter = find_filter(name);
  if (!filter) rt.fail("map: there is no filter named '" + printable(name) + "'");
  for (const Value& item : in) {
    Level level(rt);
    rt.charge(1);
    Args inner{Items(args.positional.begin() + 1, args.positional.end()), args.named};
    inner.positional[0] = item;
    out.push_back(filter(rt, inner));
  }
  return rt.iterator("generator", std::move(out));
}

// select, reject, selectattr, rejectattr.
template <bool Keep, bool ByAttribute>
Value select(Runtime& rt, Args& args) {
  Items out, in = walked(rt, args, "select");
  size_t at = 1;
  std::optional<Value> attribute;
  if (ByAttribute) {
    if (args.positional.size() < 2) rt.fail("selectattr: expected the name of an attribute");
    attribute = args.positional[at++];
  }
  TestFunction test = nullptr;
  if (args.positional.size() > at) {
    std::string name = str_argument(rt, "select", args.positional[at++]);
    test = find_test(name);
    if (!test) rt.fail("select: there is no test named '" + printable(name) + "'");
  }
  for (const Value& item : in) {
    rt.charge(1);
    Value v = attribute ? attribute_path(rt, item, *attribute) : item;
    bool pass;
    if (test) {
      Args inner{{v}, args.named};
      inner.positional.insert(inner.positional.end(), args.positional.begin() + static_cast<std::ptrdiff_t>(at), args.positional.end());
      pass = test(rt, inner);
    } else {
      pass = truth(rt, v);
    }
    if (pass == Keep) out.push_back(item);
  }
  return rt.iterator("generator", std::move(out));
}

struct SequenceRow {
  std::string_view name;
  Builtin filter;
};
constexpr SequenceRow kSequenceFilters[] = {
    {"sort", sort},     {"dictsort", dict_sort}, {"unique", unique},   {"min", extreme<false>}, {"max", extreme<true>},
    {"sum", sum},       {"join", join},          {"list", list},       {"first", first},        {"last", last},
    {"reverse", reverse}, {"batch", batch},      {"slice", slice},     {"items", items},        {"groupby", group_by},
    {"attr", attr},     {"map", map},            {"select", select<true, false>}, {"reject", select<false, false>},
    {"selectattr", select<true, true>},          {"rejectattr", select<false, true>},
};

}  // namespace

Value attribute_path(Runtime& rt, const Value& object, const Value& path) {
  if (path.is_integral()) return get_item(rt, object, path);
  Value out = object;
  std::string text = str_argument(rt, "attribute", path);
  for (size_t from = 0;;) {
    size_t dot = text.find('.', from);
    std::string part = text.substr(from, dot == std::string::npos ? dot : dot - from);
    bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    out = get_item(rt, out, number ? Value::integer(std::stoll(part)) : rt.string(part));
    if (dot == std::string::npos) return out;
    from = dot + 1;
  }
}

Builtin find_sequence_filter(std::string_view name) {
  for (const SequenceRow& row : kSequenceFilters)
    if (row.name == name) return row.filter;
  return nullptr;
}

}  // namespace qeval::jinja
