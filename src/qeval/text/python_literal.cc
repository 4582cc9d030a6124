#include "qeval/text/python_literal.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr int kMaxNesting = 200;  // CPython's own tokenizer stops there

bool is_digit_of(char c, int base) {
  int value = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
  return value < base;
}

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

  // White space and comments; line breaks only inside brackets, as in Python.
  void skip() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\f' || (depth_ > 0 && (c == '\n' || c == '\r'))) {
        ++at_;
      } else if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
        at_ += 2;
      } else if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else {
        break;
      }
    }
  }
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

  // Characters before the quote (r, b, u …) plus one; 0 where no string begins.
  size_t string_prefix_length() const {
    for (size_t n = 0; n <= 2; ++n) {
      char c = peek(n);
      if (c == '\'' || c == '"') return n + 1;
      char lower = static_cast<char>(c | 32);
      if (lower != 'r' && lower != 'b' && lower != 'u') return 0;
    }
    return 0;
  }

  Result<Json> strings() {
    std::string out;
    for (size_t n; (n = string_prefix_length()) > 0; skip()) {
      bool raw = false;
      for (size_t i = 0; i + 1 < n; ++i) {
        char lower = static_cast<char>(peek(i) | 32);
        if (lower == 'b') return error("a str, no bytes");
        if (lower == 'r') raw = true;
      }
      at_ += n - 1;
      QEVAL_CHECK(one_string(raw, out));
    }
    return Json(std::move(out));
  }

  Status one_string(bool raw, std::string& out) {
    char quote = peek();
    bool triple = peek(1) == quote && peek(2) == quote;
    at_ += triple ? 3 : 1;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == quote && (!triple || (peek(1) == quote && peek(2) == quote))) {
        at_ += triple ? 3 : 1;
        return {};
      }
      if (c == '\n' && !triple) break;
      if (c != '\\') {
        // Python's tokenizer reads every kind of line end as \n.
        if (c == '\r') {
          if (!triple) break;
          out += '\n';
          at_ += peek(1) == '\n' ? 2 : 1;
          continue;
        }
        out += c;
        ++at_;
      } else if (raw) {
        out += c;
        ++at_;
        if (at_ < text_.size()) out += text_[at_++];
      } else {
        QEVAL_CHECK(escape(out));
      }
    }
    return error("the closing quote");
  }

  Status escape(std::string& out) {
    char c = peek(1);
    if (at_ + 1 >= text_.size()) return error("a character after '\\'");
    static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    if (size_t i = kNames.find(c); i != std::string_view::npos) {
      out += kValues[i];
      at_ += 2;
    } else if (c == '\n') {
      at_ += 2;
    } else if (c >= '0' && c <= '7') {
      uint32_t value = 0;
      for (++at_; at_ < text_.size() && value < 64 && is_digit_of(text_[at_], 8); ++at_)
        value = value * 8 + static_cast<uint32_t>(text_[at_] - '0');
      append_utf8(out, value);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      std::string_view digits = text_.substr(at_ + 2, n);
      uint32_t value = 0;
      auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (digits.size() < n || ec != std::errc() || end != digits.data() + n || value > 0x10FFFF)
        return error(fmt::format("{} hexadecimal digits after \\{}", n, c));
      append_utf8(out, value);
      at_ += 2 + n;
    } else if (c == 'N') {
      return error("no \\N{name} escape (not supported)");
    } else {
      out += '\\';
      ++at_;
    }
    return {};
  }

  Result<Json> number() {
    bool negative = false;
    if (peek() == '-' || peek() == '+') {
      negative = peek() == '-';
      ++at_;
      skip();
    }
    size_t start = at_;
    int base = 10;
    if (peek() == '0' && std::string_view("xXoObB").find(peek(1)) != std::string_view::npos && peek(1) != '\0') {
      base = (peek(1) | 32) == 'x' ? 16 : (peek(1) | 32) == 'o' ? 8 : 2;
      at_ += 2;
    }
    std::string digits;
    bool is_float = false;
    if (!read_digits(digits, base)) return error("a digit");
    if (base == 10) {
      if (peek() == '.') {
        is_float = true;
        digits += text_[at_++];
        if (!read_digits(digits, 10)) return error("a digit");
      }
      if ((peek() | 32) == 'e') {
        is_float = true;
        digits += text_[at_++];
        if (peek() == '-' || peek() == '+') digits += text_[at_++];
        if (!is_digit_of(peek(), 10) || !read_digits(digits, 10)) return error("an exponent");
      }
      if (digits == ".") return error("a digit");
      if (!is_float && digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos)
        return at_ = start, error("an integer without leading zeros");
    } else if (digits.empty()) {
      return error("a digit");
    }
    if (peek() == 'j' || peek() == 'J' || peek() == '_' || py_is_alpha(static_cast<unsigned char>(peek())))
      return error("the end of the number");
    return number_value(digits, base, is_float, negative);
  }

  // Digits with single underscores between them; false where an underscore is misplaced.
  bool read_digits(std::string& out, int base) {
    while (is_digit_of(peek(), base)) {
      out += text_[at_++];
      if (peek() == '_') {
        if (!is_digit_of(peek(1), base)) return false;
        ++at_;
      }
    }
    return true;
  }

  Result<Json> number_value(const std::string& digits, int base, bool is_float, bool negative) {
    if (is_float) {
      double value = std::strtod(digits.c_str(), nullptr);
      return Json(negative ? -value : value);
    }
    uint64_t value = 0;
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    constexpr uint64_t kMax = uint64_t{1} << 63;
    if (ec != std::errc() || value > kMax || (value == kMax && !negative)) return error("an integer within 64 bits");
    return Json(negative ? static_cast<int64_t>(0 - value) : static_cast<int64_t>(value));
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
