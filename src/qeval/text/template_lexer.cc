#include "qeval/text/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"
#include "qeval/util/ascii.h"

namespace qeval::jinja {
namespace {

constexpr size_t kMaxSourceBytes = size_t{4} << 20;

std::string normalize_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
      continue;
    }
    out += '\n';
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : in_(std::move(source)) {}

  std::vector<Token> run() {
    while (at_ < in_.size()) root();
    add(TokenType::end, "");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string message) const { throw TemplateError{line_, std::move(message)}; }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view s) const { return std::string_view(in_).substr(at_, s.size()) == s; }
  void add(TokenType type, std::string text, Value value = Value()) {
    out_.push_back({type, std::move(text), line_, std::move(value)});
  }
  void advance(size_t n) {
    line_ += static_cast<int>(std::count(in_.begin() + static_cast<std::ptrdiff_t>(at_), in_.begin() + static_cast<std::ptrdiff_t>(at_ + n), '\n'));
    at_ += n;
  }
  size_t skip_space(size_t i) const {
    while (i < in_.size()) {
      Decoded d = decode_utf8(in_, i);
      if (!d.valid || !py_is_space(d.code_point)) break;
      i += d.n_bytes;
    }
    return i;
  }

  size_t next_tag() const {
    for (size_t i = in_.find('{', at_); i != std::string::npos; i = in_.find('{', i + 1))
      if (i + 1 < in_.size() && (in_[i + 1] == '{' || in_[i + 1] == '%' || in_[i + 1] == '#')) return i;
    return std::string::npos;
  }

  // Text up to the next tag; a minus in the tag strips the end of the text.
  void data(size_t begin, size_t end, bool strip) {
    std::string_view text = std::string_view(in_).substr(begin, end - begin);
    std::string kept = strip ? py_rstrip(text) : std::string(text);
    if (!kept.empty()) add(TokenType::data, kept);
  }

  void root() {
    size_t tag = next_tag();
    if (tag == std::string::npos) {
      data(at_, in_.size(), false);
      at_ = in_.size();
      return;
    }
    char sign = tag + 2 < in_.size() ? in_[tag + 2] : '\0';
    data(at_, tag, sign == '-');
    advance(tag - at_);
    char kind = in_[tag + 1];
    size_t begin_length = sign == '-' || sign == '+' ? 3 : 2;
    if (kind == '#') return comment(begin_length);
    if (kind == '%' && raw(begin_length)) return;
    bool block = kind == '%';
    add(block ? TokenType::block_begin : TokenType::variable_begin, block ? "{%" : "{{");
    advance(begin_length);
    code(block);
  }

  void comment(size_t begin_length) {
    size_t end = in_.find("#}", at_ + begin_length);
    if (end == std::string::npos) fail("expected '#}' to end the comment");
    bool strip = end > at_ + begin_length && in_[end - 1] == '-';
    size_t after = strip ? skip_space(end + 2) : end + 2;
    advance(after - at_);
  }

  // `at` just behind "endraw" or "raw"; end of the tag, or npos where this is no such tag.
  size_t tag_end(size_t at, bool plus_allowed) const {
    at = skip_space(at);
    std::string_view rest = std::string_view(in_).substr(at);
    if (rest.substr(0, 3) == "-%}") return skip_space(at + 3);
    if (plus_allowed && rest.substr(0, 3) == "+%}") return at + 3;
    return rest.substr(0, 2) == "%}" ? at + 2 : std::string::npos;
  }

  bool raw(size_t begin_length) {
    size_t word = skip_space(at_ + begin_length);
    if (in_.compare(word, 3, "raw") != 0) return false;
    size_t body = tag_end(word + 3, false);
    if (body == std::string::npos) return false;
    for (size_t i = in_.find("{%", body); i != std::string::npos; i = in_.find("{%", i + 1)) {
      char sign = i + 2 < in_.size() ? in_[i + 2] : '\0';
      size_t name = skip_space(i + (sign == '-' || sign == '+' ? 3 : 2));
      if (in_.compare(name, 6, "endraw") != 0) continue;
      size_t end = tag_end(name + 6, true);
      if (end == std::string::npos) continue;
      advance(body - at_);
      data(body, i, sign == '-');
      advance(end - at_);
      return true;
    }
    fail("expected '{% endraw %}'");
  }

  // True where the tag ends here.
  bool close(bool block) {
    std::string_view end = block ? "%}" : "}}";
    bool minus = peek() == '-' && std::string_view(in_).substr(at_ + 1, 2) == end;
    bool plus = block && peek() == '+' && std::string_view(in_).substr(at_ + 1, 2) == end;
    if (!minus && !plus && !looking_at(end)) return false;
    add(block ? TokenType::block_end : TokenType::variable_end, std::string(end));
    size_t after = at_ + (minus || plus ? 3 : 2);
    advance((minus ? skip_space(after) : after) - at_);
    return true;
  }

  void code(bool block) {
    std::string open;  // brackets that wait for their partner
    while (true) {
      advance(skip_space(at_) - at_);
      if (at_ >= in_.size())
        fail(block ? "expected '%}' to end the statement" : "expected '}}' to end the expression");
      if (open.empty() && close(block)) return;
      char c = peek();
      if (is_ascii_digit(c)) number();
      else if (c == '\'' || c == '"') string();
      else if (!name()) op(open);
    }
  }

  bool name() {
    size_t end = at_;
    while (end < in_.size()) {
      Decoded d = decode_utf8(in_, end);
      if (!d.valid || !(d.code_point == '_' || py_is_alpha(d.code_point) || py_is_numeric(d.code_point) ||
                        (d.code_point > 0x7F && !py_is_space(d.code_point) && py_is_identifier("a" + in_.substr(end, d.n_bytes)))))
        break;
      end += d.n_bytes;
    }
    if (end == at_) return false;
    std::string text = in_.substr(at_, end - at_);
    if (!py_is_identifier(text)) fail("expected a name, found '" + printable(text) + "'");
    add(TokenType::name, std::move(text));
    at_ = end;
    return true;
  }

  // End of digits with single underscores between them.
  size_t digits_end(size_t i) const {
    while (i < in_.size() && (is_ascii_digit(in_[i]) || (in_[i] == '_' && i + 1 < in_.size() && is_ascii_digit(in_[i + 1])))) ++i;
    return i;
  }

  void number() {
    size_t end = digits_end(at_);
    bool is_real = false;
    bool after_dot = at_ > 0 && in_[at_ - 1] == '.';
    if (!after_dot) {
      if (end + 1 < in_.size() && in_[end] == '.' && is_ascii_digit(in_[end + 1])) {
        is_real = true;
        end = digits_end(end + 1);
      }
      size_t e = end;
      if (e < in_.size() && (in_[e] == 'e' || in_[e] == 'E')) {
        ++e;
        if (e < in_.size() && (in_[e] == '+' || in_[e] == '-')) ++e;
        if (e < in_.size() && is_ascii_digit(in_[e])) {
          is_real = true;
          end = digits_end(e);
        }
      }
    }
    std::string text = in_.substr(at_, end - at_);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    if (is_real) {
      add(TokenType::real, text, Value::real(std::strtod(text.c_str(), nullptr)));
      at_ = end;
      return;
    }
    integer(text, end);
  }

  void integer(std::string text, size_t end) {
    int base = 10;
    char kind = static_cast<char>(peek(1) | 32);
    if (peek() == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
      base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
      text.clear();
      for (end = at_ + 2; end < in_.size(); ++end) {
        char c = in_[end], low = static_cast<char>(c | 32);
        int v = is_ascii_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
        if (c == '_') continue;
        if (v >= base) break;
        text += c;
      }
    }
    int64_t value = 0;
    auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (ec == std::errc::result_out_of_range) fail("an integer does not fit 64 bits: " + text);
    if (ec != std::errc() || stop != text.data() + text.size()) fail("expected a number");
    if (base == 10 && text.size() > 1 && text[0] == '0' && value != 0) fail("expected an integer without leading zeros: " + text);
    add(TokenType::integer, text, Value::integer(value));
    at_ = end;
  }

  void string() {
    char quote = peek();
    int start_line = line_;
    size_t end = at_ + 1;
    while (end < in_.size() && in_[end] != quote) end += in_[end] == '\\' ? 2 : 1;
    if (end >= in_.size()) fail(fmt::format("expected {} to end the string", quote));
    std::string text = unescape(std::string_view(in_).substr(at_ + 1, end - at_ - 1));
    advance(end + 1 - at_);
    out_.push_back({TokenType::string, std::move(text), start_line, Value()});
  }

  std::string unescape(std::string_view s) const {
    static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    std::string out;
    for (size_t i = 0; i < s.size();) {
      if (s[i] != '\\') {
        out += s[i++];
        continue;
      }
      char c = i + 1 < s.size() ? s[i + 1] : '\0';
      if (size_t k = kNames.find(c); k != std::string_view::npos) {
        out += kValues[k];
        i += 2;
      } else if (c == '\n') {
        i += 2;
      } else if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        size_t n = 0;
        for (++i; n < 3 && i < s.size() && s[i] >= '0' && s[i] <= '7'; ++i, ++n) value = value * 8 + static_cast<uint32_t>(s[i] - '0');
        append_utf8(out, value);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        std::string_view digits = s.substr(i + 2, n);
        uint32_t value = 0;
        auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() < n || ec != std::errc() || stop != digits.data() + n || value > 0x10FFFF)
          fail(fmt::format("expected {} hexadecimal digits after \\{}", n, c));
        append_utf8(out, value);
        i += 2 + n;
      } else if (c == 'N') {
        fail("the escape \\N is not supported");
      } else {
        out += '\\';
        ++i;
      }
    }
    return out;
  }

  void op(std::string& open) {
    static constexpr std::string_view kTwo[] = {"==", "!=", ">=", "<=", "//", "**"};
    for (std::string_view two : kTwo)
      if (looking_at(two)) {
        add(TokenType::op, std::string(two));
        at_ += 2;
        return;
      }
    char c = peek();
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos)
      fail("unexpected character '" + printable(std::string_view(in_).substr(at_, decode_utf8(in_, at_).n_bytes)) + "'");
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) fail(fmt::format("unexpected '{}'", c));
      if (open.back() != c) fail(fmt::format("expected '{}', found '{}'", open.back(), c));
      open.pop_back();
    }
    add(TokenType::op, std::string(1, c));
    ++at_;
  }

  std::string in_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> out_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) {
  if (source.size() > kMaxSourceBytes) throw TemplateError{1, "the template is larger than 4 MiB"};
  return Lexer(normalize_newlines(valid_utf8(source))).run();
}

}  // namespace qeval::jinja
