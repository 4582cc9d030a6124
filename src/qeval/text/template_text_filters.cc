#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/regex.h"
#include "qeval/text/template_value.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval::jinja {
namespace {

bool markup(const Value& v) { return v.is_string() && v.str().markup; }

template <std::string (*F)(std::string_view)>
Value mapped(Runtime& rt, Args& args) {
  auto a = bind(rt, "this filter", args, {"s"}, 1);
  return rt.string(F(to_str(rt, *a[0])), markup(*a[0]));
}

Value trim(Runtime& rt, Args& args) {
  auto a = bind(rt, "trim", args, {"value", "chars"}, 1);
  std::string text = to_str(rt, *a[0]);
  if (!a[1] || a[1]->is(Kind::none)) return rt.string(py_strip(text), markup(*a[0]));
  std::string chars = str_argument(rt, "trim", *a[1]);
  return rt.string(chars.empty() ? text : py_strip(text, chars), markup(*a[0]));
}

// Jinja's own title(): words begin after white space, hyphens and opening brackets, and nowhere else.
Value title(Runtime& rt, Args& args) {
  auto a = bind(rt, "title", args, {"s"}, 1);
  std::string text = to_str(rt, *a[0]), out, word;
  auto flush = [&] {
    if (word.empty()) return;
    size_t n = decode_utf8(word, 0).n_bytes;
    out += py_upper(word.substr(0, n)) + py_lower(word.substr(n));
    word.clear();
  };
  bool in_separator = false;
  for (size_t i = 0; i < text.size();) {
    Decoded d = decode_utf8(text, i);
    bool separator = py_is_space(d.code_point) || (d.code_point < 0x80 && std::string_view("-({[<").find(static_cast<char>(d.code_point)) != std::string_view::npos);
    if (separator != in_separator) flush();
    in_separator = separator;
    word += text.substr(i, d.n_bytes);
    i += d.n_bytes;
  }
  flush();
  return rt.string(std::move(out), markup(*a[0]));
}

Value replace(Runtime& rt, Args& args) {
  auto a = bind(rt, "replace", args, {"s", "old", "new", "count"}, 3);
  Value text = rt.string(to_str(rt, *a[0]));
  Args inner{{rt.string(to_str(rt, *a[1])), rt.string(to_str(rt, *a[2]))}, {}};
  if (a[3] && !a[3]->is(Kind::none)) inner.positional.push_back(*a[3]);
  return find_str_method(rt, text, "replace")->function().call(rt, inner);
}

Value escape(Runtime& rt, Args& args) {
  auto a = bind(rt, "escape", args, {"s"}, 1);
  if (markup(*a[0])) return *a[0];
  return rt.string(escape_text(to_str(rt, *a[0])), true);
}
Value force_escape(Runtime& rt, Args& args) {
  auto a = bind(rt, "forceescape", args, {"value"}, 1);
  return rt.string(escape_text(to_str(rt, *a[0])), true);
}
Value mark_safe(Runtime& rt, Args& args) {
  auto a = bind(rt, "safe", args, {"value"}, 1);
  return rt.string(to_str(rt, *a[0]), true);
}

Value center(Runtime& rt, Args& args) {
  auto a = bind(rt, "center", args, {"value", "width"}, 1);
  Value text = rt.string(to_str(rt, *a[0]));
  Args inner{{a[1].value_or(Value::integer(80))}, {}};
  return find_str_method(rt, text, "center")->function().call(rt, inner);
}

Value format(Runtime& rt, Args& args) {
  if (args.positional.empty()) rt.fail("format: expected a text");
  if (args.positional.size() > 1 && !args.named.empty()) rt.fail("format: expected arguments by position or by name, not both");
  std::string text = to_str(rt, args.positional[0]);
  if (!args.named.empty()) {
    Value dict = new_dict();
    for (const auto& [key, value] : args.named) dict_set(rt, dict.dict(), rt.string(key), value);
    return rt.string(percent_format(rt, text, dict));
  }
  return rt.string(percent_format(rt, text, rt.tuple(Items(args.positional.begin() + 1, args.positional.end()))));
}

// Lines as str.splitlines() gives them.
std::vector<std::string> lines_of(Runtime& rt, const std::string& text) {
  Value value = rt.string(text);
  Args none;
  Value lines = find_str_method(rt, value, "splitlines")->function().call(rt, none);
  std::vector<std::string> out;
  for (const Value& line : lines.seq().items) out.push_back(line.text());
  return out;
}

Value indent(Runtime& rt, Args& args) {
  auto a = bind(rt, "indent", args, {"s", "width", "first", "blank"}, 1);
  std::string unit;
  if (a[1] && a[1]->is_string()) unit = a[1]->text();
  else unit.assign(static_cast<size_t>(std::clamp<int64_t>(a[1] ? int_argument(rt, "indent", *a[1]) : 4, 0, 10'000)), ' ');
  bool first = a[2] && truth(rt, *a[2]), blank = a[3] && truth(rt, *a[3]);
  std::string text = str_argument(rt, "indent", *a[0]) + "\n", out;
  auto add = [&](std::string_view part) {
    out += part;
    if (out.size() > kMaxStringBytes) rt.fail("a text grows beyond 64 MiB");
  };
  std::vector<std::string> lines = lines_of(rt, text);
  if (first) add(unit);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      add("\n");
      if (blank || !lines[i].empty()) add(unit);
    }
    add(lines[i]);
  }
  return rt.string(std::move(out));
}

Value truncate(Runtime& rt, Args& args) {
  auto a = bind(rt, "truncate", args, {"s", "length", "killwords", "end", "leeway"}, 1);
  const Value& text = *a[0];
  int64_t limit = a[1] ? int_argument(rt, "truncate", *a[1]) : 255;
  bool kill = a[2] && truth(rt, *a[2]);
  std::string end = a[3] ? str_argument(rt, "truncate", *a[3]) : "...";
  int64_t leeway = a[4] && !a[4]->is(Kind::none) ? int_argument(rt, "truncate", *a[4]) : 5;
  int64_t end_length = static_cast<int64_t>(n_code_points(end));
  if (limit < end_length || leeway < 0) rt.fail("truncate: expected a length of at least that of the end, and no negative leeway");
  if (static_cast<int64_t>(length(rt, text)) <= limit + leeway) return text;
  if (!text.is_string()) rt.fail("truncate: expected a str, found " + type_name(text));
  std::string head(substring(text.str(), 0, static_cast<size_t>(limit - end_length)));
  if (!kill) head = head.substr(0, head.rfind(' '));
  return rt.string(head + end);
}

Value word_count(Runtime& rt, Args& args) {
  auto a = bind(rt, "wordcount", args, {"s"}, 1);
  int64_t n = 0;
  bool inside = false;
  for (uint32_t c : code_points(to_str(rt, *a[0]))) {
    bool word = c == '_' || py_is_alpha(c) || py_is_numeric(c);
    n += word && !inside;
    inside = word;
  }
  return Value::integer(n);
}

std::string quote_url(std::string_view text, std::string_view safe) {
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("_.-~").find(static_cast<char>(c)) != std::string_view::npos || safe.find(static_cast<char>(c)) != std::string_view::npos;
    if (plain && c < 0x80) out += static_cast<char>(c);
    else out += fmt::format("%{:02X}", c);
  }
  return out;
}

Value urlencode(Runtime& rt, Args& args) {
  auto a = bind(rt, "urlencode", args, {"value"}, 1);
  const Value& v = *a[0];
  require_defined(rt, v);
  if (!v.is(Kind::dict) && !v.is_sequence()) return rt.string(quote_url(to_str(rt, v), "/"));
  auto query = [&](const Value& part) {
    std::string quoted;
    for (char c : quote_url(to_str(rt, part), " ")) quoted += c == ' ' ? '+' : c;
    return quoted;
  };
  std::string out;
  auto add = [&](const Value& key, const Value& value) { out += (out.empty() ? "" : "&") + query(key) + "=" + query(value); };
  if (v.is(Kind::dict)) {
    for (const auto& [key, value] : v.dict().entries) add(key, value);
  } else {
    for (const Value& pair : v.seq().items) {
      Items two = iterate(rt, pair);
      if (two.size() != 2) rt.fail("urlencode: expected pairs of key and value");
      add(two[0], two[1]);
    }
  }
  return rt.string(std::move(out));
}

// lm-evaluation-harness's filter: re.sub(pattern, repl, string, count=count).
Value regex_replace(Runtime& rt, Args& args) {
  auto a = bind(rt, "regex_replace", args, {"string", "pattern", "repl", "count"}, 3);
  auto regex = Regex::compile(str_argument(rt, "regex_replace", *a[1]));
  if (!regex) rt.fail(regex.error().message);
  int64_t count = a[3] ? int_argument(rt, "regex_replace", *a[3]) : 0;
  std::string text = str_argument(rt, "regex_replace", *a[0]);
  rt.charge(100 + text.size());
  auto out = regex->sub(str_argument(rt, "regex_replace", *a[2]), text, static_cast<int>(std::clamp<int64_t>(count, 0, INT32_MAX)));
  if (!out) rt.fail(out.error().message);
  return rt.string(std::move(*out));
}

struct TextRow {
  std::string_view name;
  Builtin filter;
};
constexpr TextRow kTextFilters[] = {
    {"upper", mapped<py_upper>},
    {"lower", mapped<py_lower>},
    {"capitalize", mapped<py_capitalize>},
    {"title", title},
    {"trim", trim},
    {"replace", replace},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"safe", mark_safe},
    {"center", center},
    {"format", format},
    {"indent", indent},
    {"truncate", truncate},
    {"wordcount", word_count},
    {"urlencode", urlencode},
    {"regex_replace", regex_replace},
};

}  // namespace

Builtin find_text_filter(std::string_view name) {
  for (const TextRow& row : kTextFilters)
    if (row.name == name) return row.filter;
  return nullptr;
}

}  // namespace qeval::jinja
