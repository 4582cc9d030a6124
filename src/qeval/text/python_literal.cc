#include "qeval/text/python_literal.h"

#include <fmt/format.h>

#include <unordered_map>
#include <utility>
#include <vector>

#include "qeval/text/python_token.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr int kMaxNesting = 200;  // CPython's own tokenizer stops there

class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : text_(text) {}

  Result<Json> parse() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    QEVAL_TRY(Json value, element_or_tuple('\0'));
    for (skip(); at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'); skip()) ++at_;
    if (at_ < text_.size()) return error("the end of the literal");
    return value;
  }

 private:
  tl::unexpected<Error> error(std::string_view expected) const {
    return bad_input(fmt::format("not a Python literal: expected {} at offset {}{}", expected, at_,
                                 at_ < text_.size() ? fmt::format(", found '{}'", printable(text_.substr(at_, 12)))
                                                    : ", found the end"));
  }

  void skip() { skip_python_space(text_, at_, depth_ > 0); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end_of(char close) {
    skip();
    return close == '\0' ? at_ >= text_.size() || peek() == '\n' || peek() == '\r' : peek() == close;
  }

  // `a` is a; `a, b` and `a,` are tuples. Stops before `close`.
  Result<Json> element_or_tuple(char close) {
    if (at_end_of(close)) {
      if (close == '\0') return error("a value");
      return Json::array();
    }
    QEVAL_TRY(Json first, value());
    if (!take(',')) return first;
    Json items = Json::array();
    items.push_back(std::move(first));
    while (!at_end_of(close)) {
      QEVAL_TRY(Json item, value());
      items.push_back(std::move(item));
      if (!take(',')) break;
    }
    return items;
  }

  Result<Json> value() {
    skip();
    if (++depth_ > kMaxNesting) return error(fmt::format("at most {} levels of nesting", kMaxNesting));
    --depth_;
    char c = peek();
    if (c == '[' || c == '(' || c == '{') {
      ++at_;
      ++depth_;
      Result<Json> inside = c == '{' ? braces() : c == '[' ? list() : element_or_tuple(')');
      if (inside && !take(c == '[' ? ']' : c == '(' ? ')' : '}')) inside = error("',' or the closing bracket");
      --depth_;
      return inside;
    }
    if (string_prefix_length()) return strings();
    if (c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9')) return number();
    for (auto [word, constant] : {std::pair<std::string_view, Json>{"None", nullptr}, {"True", true}, {"False", false}})
      if (take_word(word)) return constant;
    if (take_word("set") && take('(') && take(')')) return Json::array();
    return error("a string, number, list, tuple, dict, True, False or None");
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    size_t end = at_ + word.size();
    if (end < text_.size()) {
      Decoded next = decode_utf8(text_, end);
      if (next.code_point == '_' || py_is_alpha(next.code_point) || py_is_decimal(next.code_point)) return false;
    }
    at_ = end;
    return true;
  }

  Result<Json> list() {
    Json items = Json::array();
    while (!at_end_of(']')) {
      QEVAL_TRY(Json item, value());
      items.push_back(std::move(item));
      if (!take(',')) break;
    }
    return items;
  }

  // A dict, or a set (read as a list). Keys that are no strings become their str().
  Result<Json> braces() {
    if (at_end_of('}')) return Json::object();
    std::vector<std::pair<std::string, Json>> entries;
    Json items = Json::array();
    bool is_dict = false;
    while (!at_end_of('}')) {
      QEVAL_TRY(Json key, value());
      bool has_value = take(':');
      if (!entries.empty() || !items.empty()) {
        if (has_value != is_dict) return error(is_dict ? "':'" : "','");
      }
      is_dict = has_value;
      if (has_value) {
        if (key.is_structured()) return error("a hashable key");
        QEVAL_TRY(Json item, value());
        entries.emplace_back(python_str(key), std::move(item));
      } else {
        items.push_back(std::move(key));
      }
      if (!take(',')) break;
    }
    return is_dict ? object_of(std::move(entries)) : items;
  }

  // Json's ordered object looks keys up one by one; building it that way would be quadratic.
  static Json object_of(std::vector<std::pair<std::string, Json>> entries) {
    std::unordered_map<std::string, size_t> index;
    std::vector<std::pair<std::string, Json>> unique;
    for (auto& entry : entries) {
      auto [it, added] = index.emplace(entry.first, unique.size());
      if (added) unique.push_back(std::move(entry));
      else unique[it->second].second = std::move(entry.second);
    }
    Json out = Json::object();
    auto& object = out.get_ref<Json::object_t&>();
    for (auto& [key, item] : unique) object.Container::emplace_back(std::move(key), std::move(item));
    return out;
  }

  size_t string_prefix_length() const { return python_string_prefix(text_, at_); }

  Result<Json> strings() {
    PythonString all;
    for (; string_prefix_length() > 0; skip()) {
      size_t start = at_;
      TokenFault fault = read_python_string(text_, at_, all);
      if (fault.empty() && (all.bytes || all.format)) {
        at_ = start;
        fault = "a str, no bytes or f-string";
      }
      if (!fault.empty()) return error(fault);
    }
    return Json(std::move(all.text));
  }

  Result<Json> number() {
    bool negative = peek() == '-';
    if (peek() == '-' || peek() == '+') {
      ++at_;
      skip();
    }
    PyValue value;
    if (TokenFault fault = read_python_number(text_, at_, value); !fault.empty()) return error(fault);
    if (negative) value = py_negative(value);
    if (value.is(PyValue::Kind::other)) return error("a real number");
    if (value.is(PyValue::Kind::integer) && !value.text.empty()) return error("an integer within 64 bits");
    return to_json(value);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Json> python_literal_eval(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return bad_input("not a Python literal: it holds a null byte");
  return LiteralParser(text).parse();
}

}  // namespace qeval
