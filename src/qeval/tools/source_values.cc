#include <cmath>
#include <cstdlib>
#include <optional>

#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"
#include "qeval/tools/ast_check.h"

namespace qeval {
namespace {

using Kind = PyValue::Kind;

// Compiled once; the patterns are the package's own, so that odd literals convert alike.
class Pattern {
 public:
  explicit Pattern(const char* pattern, bool dot_all = false) {
    auto compiled = Regex::compile(pattern, {false, dot_all, false});
    if (compiled) regex_ = std::move(*compiled);
  }
  bool begins(const std::string& text) const { return match(text).has_value(); }
  std::optional<Regex::Match> match(const std::string& text) const { return taken(regex_ ? regex_->match(text) : none()); }
  std::optional<Regex::Match> search(const std::string& text) const { return taken(regex_ ? regex_->search(text) : none()); }
  std::vector<std::vector<std::string>> all(const std::string& text) const {
    auto found = regex_ ? regex_->findall(text) : Result<std::vector<std::vector<std::string>>>();
    return found ? *found : std::vector<std::vector<std::string>>();
  }

 private:
  using Found = Result<std::optional<Regex::Match>>;
  static Found none() { return std::optional<Regex::Match>(); }
  static std::optional<Regex::Match> taken(Found found) { return found ? std::move(*found) : std::nullopt; }
  std::optional<Regex> regex_;
};

std::string group(const Regex::Match& match, size_t i) { return i < match.groups.size() ? match.groups[i].value_or("") : ""; }

PyValue whole(std::string digits) {
  bool negative = !digits.empty() && digits[0] == '-';
  size_t first = digits.find_first_not_of("0", negative ? 1 : 0);
  std::string bare = first == std::string::npos ? "0" : digits.substr(first);
  if (bare.size() > 18) return PyValue::of_kind(Kind::integer, (negative ? "-" : "") + bare);
  int64_t value = std::strtoll(bare.c_str(), nullptr, 10);
  return PyValue::of(negative ? -value : value);
}
PyValue real(const std::string& text) { return PyValue::of(std::strtod(text.c_str(), nullptr)); }

// int(text), else float(text), else the text, as Python reads them.
PyValue number_or_text(const std::string& text) {
  static const Pattern integer(R"(\s*[+-]?[0-9]+(_[0-9]+)*\s*\Z)");
  static const Pattern decimal(R"((?i)\s*[+-]?((([0-9]+(_[0-9]+)*\.?|[0-9]*(_[0-9]+)*\.[0-9]+(_[0-9]+)*)([0-9]+(_[0-9]+)*)?(e[+-]?[0-9]+(_[0-9]+)*)?)|inf|infinity|nan)\s*\Z)");
  std::string bare;
  for (char c : py_strip(text))
    if (c != '_') bare += c;
  if (integer.begins(text)) return whole(bare[0] == '+' ? bare.substr(1) : bare);
  if (decimal.begins(text)) return real(bare);
  return PyValue::of(text);
}

std::vector<std::string> split_commas_stripped(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    size_t end = text.find(',', begin);
    out.push_back(py_strip(text.substr(begin, end == std::string::npos ? end : end - begin)));
    if (end == std::string::npos) return out;
    begin = end + 1;
  }
}

std::string inner(const std::string& text) { return text.size() < 2 ? "" : text.substr(1, text.size() - 2); }

bool in_quotes(const std::string& text, char quote) { return !text.empty() && text.front() == quote && text.back() == quote; }

PyValue list_of(std::vector<PyValue> items) {
  PyValue out = PyValue::of_kind(Kind::list);
  out.items = std::move(items);
  return out;
}

// A Java value whose type nothing declares.
PyValue java_free_value(const std::string& text) {
  static const Pattern long_number(R"(^-?\d+[lL]$)");
  static const Pattern float_number(R"(^-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$)");
  if (text == "true" || text == "false") return PyValue::of(text == "true");
  if (in_quotes(text, '"')) return PyValue::of(inner(text));
  if (long_number.begins(text)) return whole(text.substr(0, text.size() - 1));
  if (float_number.begins(text)) return real(text);
  return number_or_text(text);
}

std::optional<PyValue> java_item(const std::string& text, const std::string& item_type) {
  if (item_type == "char" || item_type == "String") return PyValue::of(inner(text));
  return item_type.empty() ? java_free_value(text) : java_value(text, item_type, "");
}

template <typename Item>
std::optional<PyValue> converted(const std::vector<std::string>& texts, Item item) {
  std::vector<PyValue> items;
  for (const std::string& text : texts) {
    auto value = item(text);
    if (!value) return std::nullopt;
    items.push_back(std::move(*value));
  }
  return list_of(std::move(items));
}

std::optional<PyValue> java_array_list(const std::string& text, const std::string& item_type) {
  static const Pattern as_list(R"(new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\))");
  static const Pattern adds(R"(new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\})", true);
  static const Pattern add(R"(add\((.+?)\))");
  static const Pattern empty(R"(new\s+ArrayList<\w*>\(\))");
  auto item = [&](const std::string& one) { return java_item(one, item_type); };
  if (auto match = as_list.search(text)) return converted(split_commas_stripped(group(*match, 1)), item);
  if (auto match = adds.search(text)) {
    std::vector<std::string> texts;
    for (const auto& found : add.all(group(*match, 1))) texts.push_back(py_strip(found[0]));
    return converted(texts, item);
  }
  return empty.search(text) ? list_of({}) : PyValue::of(text);
}

std::optional<PyValue> java_array(const std::string& text, const std::string& item_type) {
  static const Pattern array(R"(new\s+\w+\[\]\s*\{(.*?)\})");
  auto match = array.search(text);
  if (!match) return PyValue::of(text);
  std::vector<std::string> texts;
  for (std::string& one : split_commas_stripped(group(*match, 1)))
    if (!one.empty()) texts.push_back(std::move(one));
  return converted(texts, [&](const std::string& one) { return item_type.empty() ? std::optional(java_free_value(one)) : java_value(one, item_type, ""); });
}

PyValue java_hash_map(const std::string& text) {
  static const Pattern map(R"(new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\})", true);
  static const Pattern put(R"re(put\(\"(.*?)\",\s*(.*?)\))re");
  static const Pattern empty(R"(new\s+HashMap<.*?>\s*\(\))");
  PyDictBuilder out;
  if (auto match = map.search(text)) {
    for (const auto& found : put.all(group(*match, 1))) out.add(PyValue::of(found[0]), java_free_value(py_strip(found[1])));
    return out.take();
  }
  return empty.search(text) ? out.take() : PyValue::of(text);
}

PyValue javascript_free_value(const std::string& source) {
  std::string text = py_strip(source);
  if (text == "true" || text == "false") return PyValue::of(text == "true");
  if (in_quotes(text, '"') || in_quotes(text, '\'')) return PyValue::of(inner(text));
  return number_or_text(text);
}

std::optional<PyValue> javascript_array(const std::string& source, const std::string& item_type) {
  static const Pattern nested(R"(\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|\bnew\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\))");
  static const Pattern row(R"(\[(.*?)\])");
  static const Pattern flat(R"(\[(.*?)\]|\bnew\s+Array\((.*?)\))");
  std::string code = py_strip(source);
  if (auto match = nested.match(code)) {
    PyValue out = list_of({});
    bool first = true;
    for (const auto& found : row.all(group(*match, 0))) {
      std::string inside = py_strip(found[0]);
      if (first && !inside.empty() && inside[0] == '[') inside.erase(0, 1);
      first = false;
      PyValue items = list_of({});
      for (const std::string& one : split_commas_stripped(inside)) items.items.push_back(javascript_free_value(one));
      out.items.push_back(std::move(items));
    }
    return out;
  }
  auto match = flat.match(code);
  if (!match) return PyValue::of(code);
  bool bracket = match->groups.size() > 1 && match->groups[1].has_value();
  std::string inside = py_strip(group(*match, bracket ? 1 : 2));
  if (inside.empty()) return list_of({});
  auto items = converted(split_commas_stripped(inside), [&](const std::string& one) {
    return item_type.empty() ? std::optional(javascript_free_value(one)) : javascript_value(one, item_type, "");
  });
  return items ? items : PyValue::of(code);  // an item type without conversion leaves the source
}

std::string strip_quotes(const std::string& text) { return py_strip(text, "'\""); }

PyValue javascript_dict(const std::string& source, int depth = 0) {
  static const Pattern dict(R"(\{(.*?)\})");
  static const Pattern pair(R"(([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$))");
  std::string code = py_strip(source);
  PyDictBuilder out;
  if (code == "{}") return out.take();
  auto match = dict.match(code);
  if (!match || depth > 50) return PyValue::of(code);
  for (const auto& found : pair.all(group(*match, 1))) {
    std::string key = strip_quotes(py_strip(found[0])), value = py_strip(found[1]);
    PyValue read;
    if (value.size() > 1 && value.front() == '[' && value.back() == ']') read = javascript_array(value, "").value_or(PyValue::of(value));
    else if (value.size() > 1 && value.front() == '{' && value.back() == '}') read = javascript_dict(value, depth + 1);
    else read = javascript_free_value(strip_quotes(value));
    out.add(PyValue::of(std::move(key)), std::move(read));
  }
  return out.take();
}

}  // namespace

std::optional<PyValue> java_value(const std::string& source, const std::string& type, const std::string& item_type) {
  static const Pattern integer(R"(^-?\d+$)"), float_number(R"(^-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$)");
  static const Pattern double_number(R"(^-?\d+(\.\d+)?([eE][+-]?\d+)?$)"), long_number(R"(^-?\d+[lL]$)");
  PyValue text = PyValue::of(source);
  if (type == "byte" || type == "short" || type == "integer") return integer.begins(source) ? whole(source) : text;
  if (type == "float") return float_number.begins(source) ? real(source) : text;
  if (type == "double") return double_number.begins(source) ? real(source) : text;
  if (type == "long") return long_number.begins(source) ? whole(source.substr(0, source.size() - 1)) : text;
  if (type == "boolean") return source == "true" || source == "false" ? PyValue::of(source == "true") : text;
  if (type == "char" || type == "String" || type == "any") return text;
  if (type == "ArrayList") return java_array_list(source, item_type);
  if (type == "Array") return java_array(source, item_type);
  if (type == "HashMap") return java_hash_map(source);
  return std::nullopt;
}

std::optional<PyValue> javascript_value(const std::string& source, const std::string& type, const std::string& item_type) {
  static const Pattern integer(R"(^-?\d+$)"), decimal(R"(^-?\d+(\.\d+)?$)"), big(R"(^-?\d+n$)");
  PyValue text = PyValue::of(source);
  if (type == "String") return in_quotes(source, '"') || in_quotes(source, '\'') ? PyValue::of(inner(source)) : text;
  if (type == "integer") return integer.begins(source) ? whole(source) : text;
  if (type == "float") return decimal.begins(source) ? real(source) : text;
  if (type == "Bigint") return big.begins(source) ? whole(source.substr(0, source.size() - 1)) : text;
  if (type == "Boolean") return source == "true" || source == "false" ? PyValue::of(source == "true") : text;
  if (type == "dict") return javascript_dict(source);
  if (type == "array") return javascript_array(source, item_type);
  if (type == "any") return text;
  return std::nullopt;
}

}  // namespace qeval
