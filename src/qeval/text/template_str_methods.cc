#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

using Method = Value (*)(Runtime&, const Value&, Args&);

std::string_view chars_of(const std::optional<Value>& v, Runtime& rt, std::string& storage) {
  if (!v || v->is(Kind::none)) return {};
  storage = str_argument(rt, "strip", *v);
  return storage;
}

template <std::string (*F)(std::string_view, std::string_view)>
Value strip(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "strip", args, {"chars"}, 0);
  std::string storage;
  std::string_view chars = chars_of(a[0], rt, storage);
  // An empty set of characters strips nothing; for py_strip it would mean white space.
  if (a[0] && !a[0]->is(Kind::none) && chars.empty()) return self;
  return rt.string(F(self.text(), chars), self.str().markup);
}

template <std::string (*F)(std::string_view)>
Value mapped(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "this method", args, {}, 0);
  return rt.string(F(self.text()), self.str().markup);
}

Value casefold(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "casefold", args, {}, 0);
  // Full folding differs from lower-casing the upper case in a few letters that no task uses.
  return rt.string(is_ascii(self.text()) ? py_lower(self.text()) : py_lower(py_upper(self.text())));
}

template <bool (*F)(uint32_t)>
Value all_are(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "this method", args, {}, 0);
  std::vector<uint32_t> points = code_points(self.text());
  return Value::boolean(!points.empty() && std::all_of(points.begin(), points.end(), F));
}
bool is_alnum(uint32_t c) { return py_is_alpha(c) || py_is_numeric(c); }

template <bool Upper>
Value is_cased_as(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "this method", args, {}, 0);
  bool cased = false;
  for (uint32_t c : code_points(self.text())) {
    if (py_is_title(c) || (Upper ? py_is_lower(c) : py_is_upper(c))) return Value::boolean(false);
    cased |= Upper ? py_is_upper(c) : py_is_lower(c);
  }
  return Value::boolean(cased);
}

Value is_title(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "istitle", args, {}, 0);
  bool cased = false, previous = false;
  for (uint32_t c : code_points(self.text())) {
    bool big = py_is_upper(c) || py_is_title(c), small = py_is_lower(c);
    if ((big && previous) || (small && !previous)) return Value::boolean(false);
    previous = big || small;
    cased |= previous;
  }
  return Value::boolean(cased);
}

std::vector<std::string> split_words(std::string_view s, int64_t limit, bool from_right) {
  std::vector<std::pair<size_t, size_t>> words;
  size_t begin = std::string_view::npos;
  for (size_t i = 0; i < s.size();) {
    Decoded d = decode_utf8(s, i);
    if (py_is_space(d.code_point)) {
      if (begin != std::string_view::npos) words.emplace_back(begin, i);
      begin = std::string_view::npos;
    } else if (begin == std::string_view::npos) {
      begin = i;
    }
    i += d.n_bytes;
  }
  if (begin != std::string_view::npos) words.emplace_back(begin, s.size());
  std::vector<std::string> out;
  size_t n = words.size(), keep = limit < 0 ? n : std::min(n, static_cast<size_t>(limit));
  if (!from_right) {
    for (size_t i = 0; i < keep; ++i) out.emplace_back(s.substr(words[i].first, words[i].second - words[i].first));
    if (keep < n) out.push_back(limit == 0 ? py_lstrip(s) : std::string(s.substr(words[keep].first)));
  } else {
    if (keep < n) out.push_back(limit == 0 ? py_rstrip(s) : std::string(s.substr(0, words[n - keep - 1].second)));
    for (size_t i = n - keep; i < n; ++i) out.emplace_back(s.substr(words[i].first, words[i].second - words[i].first));
  }
  return out;
}

std::vector<std::string> split_at(std::string_view s, std::string_view separator, int64_t limit, bool from_right) {
  std::vector<size_t> cuts;
  if (from_right) {
    for (size_t end = s.size(); limit < 0 || static_cast<int64_t>(cuts.size()) < limit;) {
      if (end < separator.size()) break;
      size_t at = s.rfind(separator, end - separator.size());
      if (at == std::string_view::npos) break;
      cuts.push_back(at);
      end = at;
    }
    std::reverse(cuts.begin(), cuts.end());
  } else {
    for (size_t at = 0; limit < 0 || static_cast<int64_t>(cuts.size()) < limit;) {
      at = s.find(separator, at);
      if (at == std::string_view::npos) break;
      cuts.push_back(at);
      at += separator.size();
    }
  }
  std::vector<std::string> out;
  size_t from = 0;
  for (size_t cut : cuts) {
    out.emplace_back(s.substr(from, cut - from));
    from = cut + separator.size();
  }
  out.emplace_back(s.substr(from));
  return out;
}

Value strings(Runtime& rt, std::vector<std::string> parts, bool markup) {
  Items out;
  out.reserve(parts.size());
  for (std::string& part : parts) out.push_back(rt.string(std::move(part), markup));
  return rt.list(std::move(out));
}

template <bool FromRight>
Value split(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "split", args, {"sep", "maxsplit"}, 0);
  int64_t limit = a[1] ? int_argument(rt, "split", *a[1]) : -1;
  bool markup = self.str().markup;
  if (!a[0] || a[0]->is(Kind::none)) return strings(rt, split_words(self.text(), limit, FromRight), markup);
  std::string separator = str_argument(rt, "split", *a[0]);
  if (separator.empty()) rt.fail("split: expected a separator that is not empty");
  return strings(rt, split_at(self.text(), separator, limit, FromRight), markup);
}

Value splitlines(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "splitlines", args, {"keepends"}, 0);
  bool keep = a[0] && truth(rt, *a[0]);
  std::string_view s = self.text();
  std::vector<std::string> out;
  size_t from = 0;
  for (size_t i = 0; i < s.size();) {
    Decoded d = decode_utf8(s, i);
    size_t end = i + d.n_bytes;
    if (py_is_line_break(d.code_point)) {
      if (s[i] == '\r' && end < s.size() && s[end] == '\n') ++end;
      out.emplace_back(s.substr(from, (keep ? end : i) - from));
      from = end;
    }
    i = end;
  }
  if (from < s.size()) out.emplace_back(s.substr(from));
  return strings(rt, std::move(out), self.str().markup);
}

template <bool FromRight>
Value partition(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "partition", args, {"sep"}, 1);
  std::string separator = str_argument(rt, "partition", *a[0]);
  if (separator.empty()) rt.fail("partition: expected a separator that is not empty");
  const std::string& s = self.text();
  auto part = [&](std::string text) { return rt.string(std::move(text), self.str().markup); };
  size_t at = FromRight ? s.rfind(separator) : s.find(separator);
  if (at == std::string::npos)
    return FromRight ? rt.tuple({part(""), part(""), self}) : rt.tuple({self, part(""), part("")});
  return rt.tuple({part(s.substr(0, at)), part(separator), part(s.substr(at + separator.size()))});
}

Value join(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "join", args, {"iterable"}, 1);
  std::string out;
  size_t i = 0;
  for (const Value& item : iterate(rt, *a[0])) {
    if (!item.is_string()) rt.fail(fmt::format("sequence item {}: expected str instance, {} found", i, type_name(item)));
    if (i++) out += self.text();
    out += item.text();
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
  }
  return rt.string(std::move(out));
}

Value replace(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "replace", args, {"old", "new", "count"}, 2);
  std::string from = str_argument(rt, "replace", *a[0]), to = str_argument(rt, "replace", *a[1]);
  int64_t limit = a[2] ? int_argument(rt, "replace", *a[2]) : -1;
  std::string_view s = self.text();
  std::string out;
  size_t at = 0;
  for (int64_t n = 0; limit < 0 || n < limit; ++n) {
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
    if (from.empty()) {
      // Between all characters, and at both ends.
      out += to;
      if (at >= s.size()) return rt.string(std::move(out));
      size_t step = decode_utf8(s, at).n_bytes;
      out += s.substr(at, step);
      at += step;
      continue;
    }
    size_t next = s.find(from, at);
    if (next == std::string_view::npos) break;
    out += s.substr(at, next - at);
    out += to;
    at = next + from.size();
  }
  out += s.substr(at);
  return rt.string(std::move(out), self.str().markup);
}

// The part of `self` between Python's start and end, in bytes, and the code points before it.
struct Window {
  size_t begin, end, points_before;
  bool valid;
};
Window window(Runtime& rt, const Value& self, const std::optional<Value>& start, const std::optional<Value>& stop) {
  int64_t n = static_cast<int64_t>(self.str().n_points);
  auto bound = [&](const std::optional<Value>& v, int64_t absent) {
    if (!v || v->is(Kind::none)) return absent;
    int64_t i = int_argument(rt, "start and end", *v);
    return i < 0 ? std::max<int64_t>(i + n, 0) : i;
  };
  int64_t from = bound(start, 0), to = std::min(bound(stop, n), n);
  if (from > n || from > to) return {0, 0, 0, false};
  auto offset = [&](int64_t i) { return substring(self.str(), 0, static_cast<size_t>(i)).size(); };
  return {offset(from), offset(to), static_cast<size_t>(from), true};
}

template <bool FromRight, bool MustExist>
Value find(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "find", args, {"sub", "start", "end"}, 1);
  std::string needle = str_argument(rt, "find", *a[0]);
  Window w = window(rt, self, a[1], a[2]);
  rt.charge(self.text().size() / 64);
  std::string_view part = std::string_view(self.text()).substr(w.begin, w.end - w.begin);
  size_t at = w.valid ? (FromRight ? part.rfind(needle) : part.find(needle)) : std::string_view::npos;
  if (at != std::string_view::npos)
    return Value::integer(static_cast<int64_t>(w.points_before + n_code_points(part.substr(0, at))));
  if (MustExist) rt.fail("substring not found");
  return Value::integer(-1);
}

Value count_in_text(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "count", args, {"sub", "start", "end"}, 1);
  std::string needle = str_argument(rt, "count", *a[0]);
  Window w = window(rt, self, a[1], a[2]);
  std::string_view part = std::string_view(self.text()).substr(w.begin, w.end - w.begin);
  rt.charge(part.size() / 64);
  if (needle.empty()) return Value::integer(w.valid ? static_cast<int64_t>(n_code_points(part)) + 1 : 0);
  int64_t n = 0;
  for (size_t at = 0; (at = part.find(needle, at)) != std::string_view::npos; at += needle.size()) ++n;
  return Value::integer(n);
}

template <bool AtEnd>
Value begins_or_ends(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, AtEnd ? "endswith" : "startswith", args, {"affix", "start", "end"}, 1);
  Window w = window(rt, self, a[1], a[2]);
  std::string_view part = std::string_view(self.text()).substr(w.begin, w.end - w.begin);
  Items affixes = a[0]->is(Kind::tuple) ? a[0]->seq().items : Items{*a[0]};
  for (const Value& affix : affixes) {
    std::string text = str_argument(rt, "startswith and endswith", affix);
    if (w.valid && (AtEnd ? part.ends_with(text) : part.starts_with(text))) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool Suffix>
Value remove_affix(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, Suffix ? "removesuffix" : "removeprefix", args, {"affix"}, 1);
  std::string affix = str_argument(rt, "removeprefix and removesuffix", *a[0]);
  const std::string& s = self.text();
  if (affix.empty() || !(Suffix ? s.ends_with(affix) : s.starts_with(affix))) return self;
  return rt.string(Suffix ? s.substr(0, s.size() - affix.size()) : s.substr(affix.size()));
}

template <char Align>
Value justify(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "ljust, rjust, center", args, {"width", "fillchar"}, 1);
  int64_t width = int_argument(rt, "ljust, rjust, center", *a[0]);
  std::string fill = a[1] ? str_argument(rt, "fillchar", *a[1]) : " ";
  if (n_code_points(fill) != 1) rt.fail("expected a fill text of exactly one character");
  int64_t missing = width - static_cast<int64_t>(self.str().n_points);
  if (missing <= 0) return self;
  if (missing > static_cast<int64_t>(kMaxStringBytes / 4)) rt.fail("a text grows beyond 64 MiB");
  // CPython's str.center: the odd one goes left where the width is odd.
  int64_t left = Align == '<' ? 0 : Align == '>' ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += self.text();
  for (int64_t i = left; i < missing; ++i) out += fill;
  return rt.string(std::move(out));
}

Value zfill(Runtime& rt, const Value& self, Args& args) {
  auto a = bind(rt, "zfill", args, {"width"}, 1);
  int64_t missing = int_argument(rt, "zfill", *a[0]) - static_cast<int64_t>(self.str().n_points);
  if (missing <= 0) return self;
  if (missing > static_cast<int64_t>(kMaxStringBytes)) rt.fail("a text grows beyond 64 MiB");
  const std::string& s = self.text();
  size_t sign = !s.empty() && (s[0] == '+' || s[0] == '-');
  return rt.string(s.substr(0, sign) + std::string(static_cast<size_t>(missing), '0') + s.substr(sign));
}

Value format(Runtime& rt, const Value& self, Args& args) { return rt.string(str_format(rt, self.text(), args)); }

Value is_ascii_method(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "isascii", args, {}, 0);
  return Value::boolean(self.str().ascii());
}
Value is_identifier(Runtime& rt, const Value& self, Args& args) {
  bind(rt, "isidentifier", args, {}, 0);
  return Value::boolean(py_is_identifier(self.text()));
}

struct StrMethodRow {
  std::string_view name;
  Method method;
};
constexpr StrMethodRow kStrMethods[] = {
    {"strip", strip<py_strip>},
    {"lstrip", strip<py_lstrip>},
    {"rstrip", strip<py_rstrip>},
    {"lower", mapped<py_lower>},
    {"upper", mapped<py_upper>},
    {"capitalize", mapped<py_capitalize>},
    {"title", mapped<py_title>},
    {"swapcase", mapped<py_swapcase>},
    {"casefold", casefold},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"splitlines", splitlines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"join", join},
    {"replace", replace},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count_in_text},
    {"startswith", begins_or_ends<false>},
    {"endswith", begins_or_ends<true>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"center", justify<'^'>},
    {"zfill", zfill},
    {"format", format},
    {"isdigit", all_are<py_is_digit>},
    {"isdecimal", all_are<py_is_decimal>},
    {"isnumeric", all_are<py_is_numeric>},
    {"isalpha", all_are<py_is_alpha>},
    {"isalnum", all_are<is_alnum>},
    {"isspace", all_are<py_is_space>},
    {"isupper", is_cased_as<true>},
    {"islower", is_cased_as<false>},
    {"istitle", is_title},
    {"isascii", is_ascii_method},
    {"isidentifier", is_identifier},
};

}  // namespace

std::optional<Value> find_str_method(Runtime&, const Value& object, const std::string& name) {
  for (const StrMethodRow& row : kStrMethods) {
    if (row.name != name) continue;
    return make_function(name, [object, method = row.method](Runtime& rt, Args& args) {
      rt.charge(1 + object.text().size() / 64);
      return method(rt, object, args);
    });
  }
  return std::nullopt;
}

}  // namespace qeval::jinja
