#include "qeval/text/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr size_t kMaxPatternBytes = 100'000;

// str.isspace; PCRE2's own \s differs at U+001C..U+001F and U+180E.
constexpr std::string_view kSpace =
    R"(\x09-\x0d\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1b\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kAsciiSpace = R"(\x09-\x0d\x20)";
constexpr std::string_view kAsciiNotSpace = R"(\x00-\x08\x0e-\x1f\x21-\x{10ffff})";

bool ascii_letter(uint32_t c) { return (c | 32) >= 'a' && (c | 32) <= 'z' && c < 0x80; }
bool ascii_digit(uint32_t c) { return c >= '0' && c <= '9'; }

// The control escapes that Python's re knows; 0 where `c` is none.
uint32_t control_escape(uint32_t c) {
  switch (c) {
    case 'a': return 7;
    case 'f': return 12;
    case 'n': return 10;
    case 'r': return 13;
    case 't': return 9;
    case 'v': return 11;
    default: return 0;
  }
}

void append_literal(std::string& out, uint32_t c) {
  if (ascii_letter(c) || ascii_digit(c) || c == '_')
    out += static_cast<char>(c);
  else if (c < 0x80)
    out += fmt::format("\\x{:02x}", c);
  else
    append_utf8(out, c);
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<RegexSyntax> run() {
    if (in_.size() > kMaxPatternBytes) return error("a shorter pattern");
    while (!done()) QEVAL_CHECK(item());
    if (!open_.empty()) {
      at_ = open_.back().at;
      return error("a ')' for this group");
    }
    if (highest_condition_ > out_.n_groups) return error(fmt::format("a group {}", highest_condition_));
    return std::move(out_);
  }

 private:
  struct Group {
    size_t at;        // offset of its '('
    int number;       // 0: captures nothing
    bool verbose;     // the flag before it
    int n_branches = 0;
    bool conditional = false;
  };

  tl::unexpected<Error> error(std::string_view expected) const {
    return bad_input(fmt::format("regular expression, offset {}: expected {}{}", at_, expected,
                                 done() ? "" : fmt::format(", found '{}'", printable(in_.substr(at_, 8)))));
  }
  bool done() const { return at_ >= in_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  uint32_t next_point() {
    Decoded d = decode_utf8(in_, at_);
    at_ += d.n_bytes;
    return d.code_point;
  }
  std::string& pcre() { return out_.pcre; }

  Status item() {
    char c = peek();
    if (verbose_ && (c == ' ' || (c >= 9 && c <= 13))) {
      ++at_;
      return {};
    }
    if (verbose_ && c == '#') {
      while (!done() && peek() != '\n') ++at_;
      return {};
    }
    switch (c) {
      case '\\': return escape();
      case '[': return character_class();
      case '(': return open_group();
      case ')': return close_group();
      case '*':
      case '+':
      case '?': return quantifier(1);
      case '{':
        if (size_t n = braces_length()) return quantifier(n);
        break;
      case '|': return alternative();
      case '.':
      case '^':
      case '$':
        ++at_;
        pcre() += c;
        repeatable_ = c == '.';
        quantified_ = false;
        return {};
      default: break;
    }
    append_literal(pcre(), next_point());
    mark_item();
    return {};
  }
  void mark_item() {
    repeatable_ = true;
    quantified_ = false;
  }

  Status alternative() {
    if (!open_.empty() && open_.back().conditional && ++open_.back().n_branches > 1)
      return error("at most two branches in a conditional group");
    ++at_;
    pcre() += '|';
    repeatable_ = quantified_ = false;
    return {};
  }

  // Bytes of a quantifier {m}, {m,}, {,n}, {m,n} at the cursor; 0: the brace is literal.
  size_t braces_length() const {
    size_t i = 1;
    while (ascii_digit(static_cast<unsigned char>(peek(i)))) ++i;
    bool low = i > 1, comma = peek(i) == ',';
    if (comma) {
      ++i;
      while (ascii_digit(static_cast<unsigned char>(peek(i)))) ++i;
    }
    return (low || comma) && peek(i) == '}' ? i + 1 : 0;
  }

  Status quantifier(size_t n) {
    if (quantified_) return error("no second quantifier here (multiple repeat)");
    if (!repeatable_) return error("something to repeat before the quantifier");
    std::string text(in_.substr(at_, n));
    if (text == "{,}") text = "*";
    if (text.size() > 2 && text[0] == '{' && text[1] == ',') text.insert(1, "0");
    at_ += n;
    out_.has_possessive |= peek() == '+';
    if (peek() == '?' || peek() == '+') text += in_[at_++];
    pcre() += text;
    repeatable_ = false;
    quantified_ = true;
    return {};
  }

  Status hex(size_t n, uint32_t& value) {
    std::string_view digits = in_.substr(std::min(at_, in_.size()), n);
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() < n || ec != std::errc() || end != digits.data() + n || value > 0x10FFFF ||
        (value >= 0xD800 && value < 0xE000))
      return error(fmt::format("{} hexadecimal digits of a character", n));
    at_ += n;
    return {};
  }

  // After the backslash: a single character, where the escape means one (the same in and out of classes).
  Result<std::optional<uint32_t>> char_escape(bool in_class) {
    uint32_t c = static_cast<unsigned char>(peek()), value = 0;
    if (uint32_t control = control_escape(c)) return ++at_, std::optional(control);
    if (in_class && c == 'b') return ++at_, std::optional(uint32_t{8});
    if (c == 'x' || c == 'u' || c == 'U') {
      ++at_;
      QEVAL_CHECK(hex(c == 'x' ? 2 : c == 'u' ? 4 : 8, value));
      return std::optional(value);
    }
    bool octal = c == '0' || (c >= '1' && c <= '7' && (in_class || (peek(1) >= '0' && peek(1) <= '7' &&
                                                                    peek(2) >= '0' && peek(2) <= '7')));
    if (octal) {
      for (int i = 0; i < 3 && peek() >= '0' && peek() <= '7'; ++i) value = value * 8 + static_cast<uint32_t>(in_[at_++] - '0');
      if (value > 0377) return error("an octal escape up to \\377");
      return std::optional(value);
    }
    if (ascii_digit(c)) {
      if (in_class) return error("no back-reference inside a class");
      return std::optional<uint32_t>();
    }
    if (ascii_letter(c)) return std::optional<uint32_t>();
    if (done()) return error("a character after '\\'");
    return std::optional(next_point());
  }

  // \d \D \w \W \s \S, as the inside of a class.
  std::optional<std::string> set_escape(char c) const {
    switch (c) {
      case 'd':
      case 'D':
      case 'w':
      case 'W': return std::string("\\") + c;
      case 's': return std::string(out_.ascii ? kAsciiSpace : kSpace);
      case 'S': return std::string(out_.ascii ? kAsciiNotSpace : kNotSpace);
      default: return std::nullopt;
    }
  }

  Status escape() {
    ++at_;
    char c = peek();
    if (auto set = set_escape(c)) {
      ++at_;
      pcre() += c == 's' || c == 'S' ? "[" + *set + "]" : *set;
      mark_item();
      return {};
    }
    if (c == 'A' || c == 'Z' || c == 'b' || c == 'B') {
      ++at_;
      // Python's \B never matches in an empty text.
      pcre() += c == 'Z' ? "\\z" : c == 'B' ? "(?!\\A\\z)\\B" : std::string("\\") + c;
      repeatable_ = quantified_ = false;
      return {};
    }
    QEVAL_TRY(auto literal, char_escape(false));
    if (literal) {
      append_literal(pcre(), *literal);
    } else if (ascii_digit(static_cast<unsigned char>(c))) {
      int number = in_[at_++] - '0';
      if (ascii_digit(static_cast<unsigned char>(peek()))) number = number * 10 + (in_[at_++] - '0');
      QEVAL_CHECK(reference(number));
    } else {
      return error("an escape that Python's re knows");
    }
    mark_item();
    return {};
  }

  Status reference(int number) {
    if (number < 1 || number > out_.n_groups) return error(fmt::format("an existing group, not {}", number));
    for (const Group& group : open_)
      if (group.number == number) return error("a group that is closed");
    pcre() += fmt::format("\\g{{{}}}", number);
    return {};
  }

  Status character_class() {
    size_t start = at_++;
    std::string& out = pcre();
    out += '[';
    if (peek() == '^') {
      out += '^';
      ++at_;
    }
    for (bool first = true;; first = false) {
      if (done()) {
        at_ = start;
        return error("a ']' for this class");
      }
      if (peek() == ']' && !first) break;
      std::optional<uint32_t> low;
      QEVAL_CHECK(class_member(out, low));
      if (peek() != '-' || peek(1) == ']' || at_ + 1 >= in_.size()) {
        if (low) append_literal(out, *low);
        continue;
      }
      ++at_;
      std::optional<uint32_t> high;
      std::string ignored;
      QEVAL_CHECK(class_member(ignored, high));
      if (!low || !high || *high < *low) return error("a character range from low to high");
      append_literal(out, *low);
      out += '-';
      append_literal(out, *high);
    }
    ++at_;
    out += ']';
    mark_item();
    return {};
  }

  // One member: a character goes to `point`, a set such as \d to `out`.
  Status class_member(std::string& out, std::optional<uint32_t>& point) {
    if (peek() != '\\') {
      point = next_point();
      return {};
    }
    ++at_;
    if (auto set = set_escape(peek())) {
      ++at_;
      out += *set;
      return {};
    }
    QEVAL_TRY(point, char_escape(true));
    if (!point) return error("an escape that Python's re knows");
    return {};
  }

  Status open_group() {
    Group group{at_, 0, verbose_};
    ++at_;
    if (peek() == '*') return error("something to repeat before the quantifier");
    if (peek() != '?') {
      capture(group);
      return {};
    }
    ++at_;
    char c = peek();
    if (c == '#') {
      size_t end = in_.find(')', at_);
      if (end == std::string_view::npos) return error("a ')' for the comment");
      at_ = end + 1;
      return {};
    }
    if (c == 'P') return named(group);
    if (c == '(') return conditional(group);
    std::string_view kind;
    for (std::string_view k : {"<=", "<!", "=", "!", ":", ">"})
      if (in_.substr(at_, k.size()) == k) {
        kind = k;
        break;
      }
    if (kind.empty()) return flags(group);
    at_ += kind.size();
    push(group, "(?" + std::string(kind));
    return {};
  }
  void push(const Group& group, const std::string& text) {
    pcre() += text;
    open_.push_back(group);
    repeatable_ = quantified_ = false;
  }
  void capture(Group& group) {
    group.number = ++out_.n_groups;
    push(group, "(");
  }

  Status named(Group& group) {
    ++at_;
    bool define = peek() == '<';
    if (!define && peek() != '=') return error("'<' or '=' after (?P");
    size_t end = in_.find(define ? '>' : ')', ++at_);
    std::string name(in_.substr(at_, end == std::string_view::npos ? end : end - at_));
    if (end == std::string_view::npos || !py_is_identifier(name)) return error("a group name");
    if (define) {
      if (out_.names.count(name)) return error("a group name that is not taken");
      at_ = end + 1;
      capture(group);
      out_.names[name] = group.number;
      return {};
    }
    auto known = out_.names.find(name);
    if (known == out_.names.end()) return error("the name of a group before this");
    QEVAL_CHECK(reference(known->second));
    at_ = end + 1;
    mark_item();
    return {};
  }

  Status conditional(Group& group) {
    size_t end = in_.find(')', ++at_);
    std::string name(in_.substr(at_, end == std::string_view::npos ? end : end - at_));
    int number = 0;
    auto [stop, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (ec != std::errc() || stop != name.data() + name.size()) {
      auto known = out_.names.find(name);
      number = known == out_.names.end() ? 0 : known->second;
    }
    if (end == std::string_view::npos || number < 1 || number > 99'999) return error("an existing group");
    highest_condition_ = std::max(highest_condition_, number);  // may stand before its group
    at_ = end + 1;
    group.conditional = true;
    push(group, fmt::format("(?({})", number));
    return {};
  }

  // (?i) for the whole pattern, only at its start; (?i:…), (?-i:…) for a group.
  Status flags(Group& group) {
    std::string on, off;
    bool negative = false;
    size_t opened = at_;
    for (; !done() && (ascii_letter(static_cast<unsigned char>(peek())) || peek() == '-'); ++at_) {
      char c = peek();
      if (c == '-') {
        if (negative) return error("one '-' among the flags");
        negative = true;
      } else if (std::string_view("aimsux").find(c) == std::string_view::npos || (negative && (c == 'a' || c == 'u'))) {
        return error("a flag of a, i, m, s, u, x");
      } else {
        if (negative && on.find(c) != std::string::npos) return error("no flag that is on and off");
        (negative ? off : on) += c;
      }
    }
    auto has = [](const std::string& set, char c) { return set.find(c) != std::string::npos; };
    if (at_ == opened) return error("a group of a kind that Python's re knows");
    if (peek() == ')' && !negative) {
      // Python 3.11 allows them at the very start only.
      if (!pcre().empty() || !open_.empty()) return error("flags at the start of the pattern");
      ++at_;
      out_.ignore_case |= has(on, 'i');
      out_.dot_all |= has(on, 's');
      out_.multiline |= has(on, 'm');
      out_.ascii |= has(on, 'a');
      verbose_ |= has(on, 'x');
      return {};
    }
    if (peek() != ':' || (negative && off.empty())) return error("':' after the flags");
    if (has(on, 'a')) return error("the flag a for the whole pattern only");
    ++at_;
    std::string kept = "(?";
    for (char c : on)
      if (c != 'u' && c != 'x') kept += c;
    bool first_off = true;
    for (char c : off) {
      if (c == 'x') continue;
      if (first_off) kept += '-';
      first_off = false;
      kept += c;
    }
    push(group, kept + ":");
    if (has(on, 'x')) verbose_ = true;
    if (has(off, 'x')) verbose_ = false;
    return {};
  }

  Status close_group() {
    if (open_.empty()) return error("no ')' without its '('");
    Group group = open_.back();
    open_.pop_back();
    ++at_;
    pcre() += ')';
    verbose_ = group.verbose;
    mark_item();
    return {};
  }

  std::string_view in_;
  size_t at_ = 0;
  RegexSyntax out_;
  std::vector<Group> open_;
  int highest_condition_ = 0;
  bool verbose_ = false;
  bool repeatable_ = false, quantified_ = false;  // of what was read last
};

}  // namespace

Result<RegexSyntax> translate_python_regex(std::string_view pattern) { return Translator(pattern).run(); }

namespace {

Result<int> named_group(std::string_view name, const RegexSyntax& syntax) {
  int number = 0;
  auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (ec != std::errc() || end != name.data() + name.size()) {
    auto known = syntax.names.find(std::string(name));
    if (known == syntax.names.end()) return bad_input(fmt::format("replacement: there is no group '{}'", printable(name)));
    return known->second;
  }
  if (number < 0 || number > syntax.n_groups) return bad_input(fmt::format("replacement: there is no group {}", number));
  return number;
}

}  // namespace

Result<std::vector<ReplacementPart>> parse_python_replacement(std::string_view in, const RegexSyntax& syntax) {
  std::vector<ReplacementPart> parts(1);
  auto digit = [&](size_t i) { return i < in.size() && ascii_digit(static_cast<unsigned char>(in[i])); };
  auto octal = [&](size_t i) { return digit(i) && in[i] < '8'; };
  auto add_group = [&](int number) {
    parts.push_back({number, ""});
    parts.push_back({-1, ""});
  };
  for (size_t i = 0; i < in.size();) {
    std::string& literal = parts.back().text;
    if (in[i] != '\\') {
      literal += in[i++];
      continue;
    }
    if (++i >= in.size()) return bad_input("replacement: ends with a lone backslash");
    char c = in[i];
    if (c == 'g') {
      size_t end = in.find('>', i);
      if (i + 1 >= in.size() || in[i + 1] != '<' || end == std::string_view::npos)
        return bad_input("replacement: expected <name> after \\g");
      QEVAL_TRY(int number, named_group(in.substr(i + 2, end - i - 2), syntax));
      add_group(number);
      i = end + 1;
    } else if (c == '0' || (octal(i) && octal(i + 1) && octal(i + 2))) {
      uint32_t value = 0;
      for (int n = 0; n < 3 && octal(i); ++n) value = value * 8 + static_cast<uint32_t>(in[i++] - '0');
      if (value > 0377) return bad_input("replacement: octal escape beyond \\377");
      append_utf8(literal, value);
    } else if (digit(i)) {
      size_t n = digit(i + 1) ? 2 : 1;
      QEVAL_TRY(int number, named_group(in.substr(i, n), syntax));
      add_group(number);
      i += n;
    } else if (c == 'b') {
      literal += '\b';
      ++i;
    } else if (uint32_t control = control_escape(static_cast<unsigned char>(c))) {
      literal += static_cast<char>(control);
      ++i;
    } else if (c == '\\') {
      literal += '\\';
      ++i;
    } else if (ascii_letter(static_cast<unsigned char>(c))) {
      return bad_input(fmt::format("replacement: unknown escape \\{}", c));
    } else {
      literal += '\\';
    }
  }
  return parts;
}

}  // namespace qeval
