#include "qeval/text/python_expr.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "qeval/text/python_token.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

using NodeKind = PyNode::Kind;
using Parsed = tl::expected<PyNode, PyCallFault>;

constexpr int kMaxNesting = 200;  // brackets; CPython's own tokenizer stops there
constexpr int kMaxChain = 1000;   // operators, attributes or signs in a row; CPython runs out of recursion

constexpr std::array<std::string_view, 35> kReserved = {
    "False",  "None",  "True",     "and",   "as",     "assert", "async", "await", "break", "class", "continue", "def",
    "del",    "elif",  "else",     "except", "finally", "for",   "from",  "global", "if",   "import", "in",      "is",
    "lambda", "nonlocal", "not",   "or",    "pass",   "raise",  "return", "try",   "while", "with",  "yield"};

bool is_reserved(std::string_view word) { return std::find(kReserved.begin(), kReserved.end(), word) != kReserved.end(); }

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text) {}

  Parsed parse() {
    if (text_.find('\0') != std::string_view::npos) return error("source without null bytes");
    Parsed out = expression();
    if (!out) return out;
    for (skip(); at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'); skip()) ++at_;
    if (at_ < text_.size()) return error("the end of the expression");
    return out;
  }

 private:
  tl::unexpected<PyCallFault> error(std::string_view expected) const {
    bool ended = at_ >= text_.size();
    std::string found = ended ? "the end" : "'" + std::string(text_.substr(at_, 12)) + "'";
    return tl::unexpected(PyCallFault{fmt::format("expected {}, found {}", expected, found), at_, false, ended});
  }

  void skip() { skip_python_space(text_, at_, depth_ > 0); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  // An identifier or reserved word at the cursor, without moving.
  std::string_view word() const {
    size_t end = at_;
    while (end < text_.size()) {
      Decoded next = decode_utf8(text_, end);
      uint32_t c = next.code_point;
      bool part = c == '_' || (c < 0x80 ? py_is_alpha(c) || py_is_decimal(c) : next.valid && !is_blank_point(c));
      if (!part) break;
      end += next.n_bytes;
    }
    std::string_view out = text_.substr(at_, end - at_);
    return py_is_identifier(out) ? out : std::string_view();
  }
  static bool is_blank_point(uint32_t c) { return c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200F); }

  // The operator at the cursor, "" for none: not "=", nor a comparison.
  std::string_view binary_operator() {
    skip();
    for (std::string_view op : {"**", "//", "<<", ">>", "|", "^", "&", "+", "-", "*", "/", "%", "@"})
      if (text_.substr(at_, op.size()) == op) return peek(op.size()) == '=' ? std::string_view() : op;
    return {};
  }

  Parsed expression(int least = 1) {
    Parsed left = operand();
    for (int chain = 0; left; ++chain) {
      std::string_view op = binary_operator();
      int strength = python_precedence(op);
      if (strength < least || op.empty()) break;
      if (chain >= kMaxChain) return error("fewer operators in a row");
      PyNode node(NodeKind::binary, at_);
      node.text = op;
      at_ += op.size();
      // ** binds from the right, and weaker than a sign behind it.
      if (op == "**" && ++power_depth_ > kMaxNesting) return error("fewer powers in a row");
      Parsed right = expression(op == "**" ? kPyUnaryPrecedence : strength + 1);
      if (op == "**") --power_depth_;
      if (!right) return right;
      node.children.push_back(std::move(*left));
      node.children.push_back(std::move(*right));
      left = std::move(node);
    }
    return left;
  }

  // Signs, then an atom with its trailers; a sign takes in a power behind it: -2**2 is -(2**2).
  Parsed operand() {
    skip();
    std::vector<PyNode> signs;
    for (;; skip()) {
      char c = peek();
      bool negation = word() == "not";
      if (c != '-' && c != '+' && c != '~' && !negation) break;
      if (signs.size() >= kMaxChain) return error("fewer signs in a row");
      PyNode node(NodeKind::unary, at_);
      node.text = negation ? "not" : std::string(1, c);
      at_ += node.text.size();
      signs.push_back(std::move(node));
    }
    Parsed out = signs.empty() ? primary() : signs.back().text == "not" ? expression(1) : expression(kPyPowerPrecedence);
    for (; out && !signs.empty(); signs.pop_back()) {
      signs.back().children.push_back(std::move(*out));
      out = std::move(signs.back());
    }
    return out;
  }

  Parsed primary() {
    Parsed out = atom();
    for (int chain = 0; out; ++chain) {
      skip();
      char c = peek();
      bool dot = c == '.' && !(peek(1) >= '0' && peek(1) <= '9');
      if (c != '(' && c != '[' && !dot) break;
      if (chain >= kMaxChain) return error("fewer calls in a row");
      PyNode node(c == '(' ? NodeKind::call : c == '[' ? NodeKind::subscript : NodeKind::attribute, at_);
      node.children.push_back(std::move(*out));
      ++at_;
      tl::expected<void, PyCallFault> inside = c == '(' ? arguments(node) : c == '[' ? index(node) : attribute(node);
      if (!inside) return tl::unexpected(inside.error());
      out = std::move(node);
    }
    return out;
  }

  tl::expected<void, PyCallFault> attribute(PyNode& node) {
    skip();
    std::string_view name = word();
    if (name.empty() || is_reserved(name)) return error("a name after '.'");
    node.text = name;
    at_ += name.size();
    return {};
  }

  tl::expected<void, PyCallFault> open() {
    if (++depth_ > kMaxNesting) return error(fmt::format("at most {} levels of nesting", kMaxNesting));
    return {};
  }
  tl::expected<void, PyCallFault> close(std::string_view bracket) {
    if (!take(bracket)) return error(fmt::format("',' or '{}'", bracket));
    --depth_;
    return {};
  }

  tl::expected<void, PyCallFault> arguments(PyNode& call) {
    if (auto opened = open(); !opened) return opened;
    std::unordered_set<std::string> names;
    bool unpacked = false;
    for (skip(); peek() != ')'; skip()) {
      bool two = take("**");
      bool one = !two && take("*");
      skip();
      size_t start = at_;
      std::string_view name = word();
      size_t after = at_ + name.size();
      skip_python_space(text_, after, true);
      bool keyword = !one && !two && !name.empty() && after < text_.size() && text_[after] == '=' && text_.substr(after, 2) != "==";
      if (keyword) {
        if (is_reserved(name)) return error("a parameter's name");
        if (!names.emplace(name).second) return error(fmt::format("parameter '{}' only once", name));
        at_ = after + 1;
      } else if (!one && !two && (!call.keywords.empty())) {
        return error("no positional argument after a keyword argument");
      } else if (one && unpacked) {
        return error("no *arguments after **arguments");
      }
      Parsed value = expression();
      if (!value) return tl::unexpected(value.error());
      if (keyword || two) {
        call.keywords.push_back({keyword ? std::string(name) : "", std::move(*value)});
        unpacked = unpacked || two;
      } else if (one) {
        PyNode star(NodeKind::starred, start);
        star.children.push_back(std::move(*value));
        call.children.push_back(std::move(star));
      } else {
        call.children.push_back(std::move(*value));
      }
      if (!take(",")) break;
    }
    return close(")");
  }

  tl::expected<void, PyCallFault> index(PyNode& node) {
    if (auto opened = open(); !opened) return opened;
    std::vector<PyNode> items;
    bool comma = false;
    for (skip(); peek() != ']'; skip()) {
      Parsed item = slice();
      if (!item) return tl::unexpected(item.error());
      items.push_back(std::move(*item));
      if (!(comma = take(","))) break;
    }
    if (items.empty()) return error("an index");
    if (items.size() == 1 && !comma) {
      node.children.push_back(std::move(items[0]));
    } else {
      PyNode tuple(NodeKind::tuple, node.offset);
      tuple.children = std::move(items);
      node.children.push_back(std::move(tuple));
    }
    return close("]");
  }

  Parsed slice() {
    PyNode node(NodeKind::slice, at_);
    bool colon = false;
    for (int part = 0; part < 3; ++part) {
      skip();
      PyNode bound(NodeKind::absent, at_);
      if (peek() != ':' && peek() != ']' && peek() != ',') {
        Parsed value = expression();
        if (!value) return value;
        bound = std::move(*value);
      }
      node.children.push_back(std::move(bound));
      if (part == 2 || !take(":")) break;
      colon = true;
    }
    if (colon) return node;
    if (node.children[0].kind == NodeKind::absent) return error("an index");
    return std::move(node.children[0]);
  }

  Parsed atom() {
    skip();
    char c = peek();
    if (c == '[' || c == '(' || c == '{') return bracketed(c);
    if (python_string_prefix(text_, at_) > 0) return strings();
    if ((c >= '0' && c <= '9') || (c == '.' && peek(1) >= '0' && peek(1) <= '9')) return number();
    PyNode node(NodeKind::constant, at_);
    if (text_.substr(at_, 3) == "...") {
      at_ += 3;
      node.value = PyValue::of(std::string("..."));
      node.text = "...";
      return node;
    }
    std::string_view name = word();
    if (name == "True" || name == "False") {
      node.value = PyValue::of(name == "True");
    } else if (name.empty() || (is_reserved(name) && name != "None")) {
      return error("a value");
    } else if (name != "None") {
      node.kind = NodeKind::name;
      node.text = name;
    }
    at_ += name.size();
    return node;
  }

  Parsed number() {
    PyNode node(NodeKind::constant, at_);
    size_t start = at_;
    TokenFault fault = read_python_number(text_, at_, node.value);
    if (!fault.empty()) return error(fault);
    node.text = text_.substr(start, at_ - start);
    return node;
  }

  Parsed strings() {
    PyNode node(NodeKind::constant, at_);
    PythonString all;
    bool first = true, bytes = false;
    for (; python_string_prefix(text_, at_) > 0; skip(), first = false) {
      size_t start = at_;
      PythonString one;
      TokenFault fault = read_python_string(text_, at_, one);
      if (fault == "the closing quote")
        return tl::unexpected(PyCallFault{"a string that begins here never ends", start, true, at_ >= text_.size()});
      if (!fault.empty()) return error(fault);
      if (one.format) return at_ = start, error("a plain string, no f-string");
      if (!first && one.bytes != bytes) return error("strings of one kind");
      bytes = one.bytes;
      all.text += one.text;
    }
    node.value = bytes ? PyValue::of_kind(PyValue::Kind::other, "bytes") : PyValue::of(std::move(all.text));
    return node;
  }

  Parsed bracketed(char bracket) {
    PyNode node(bracket == '[' ? NodeKind::list : bracket == '(' ? NodeKind::tuple : NodeKind::dict, at_);
    ++at_;
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
    const char* end = bracket == '[' ? "]" : bracket == '(' ? ")" : "}";
    bool comma = false;
    for (skip(); peek() != end[0]; skip()) {
      if (bracket == '{') {
        if (auto entry = brace_entry(node); !entry) return tl::unexpected(entry.error());
      } else {
        Parsed item = starred_or_expression();
        if (!item) return item;
        node.children.push_back(std::move(*item));
      }
      if (!(comma = take(","))) break;
    }
    if (auto closed = close(end); !closed) return tl::unexpected(closed.error());
    if (bracket == '(' && node.children.size() == 1 && !comma && node.children[0].kind != NodeKind::starred)
      return std::move(node.children[0]);
    return node;
  }

  Parsed starred_or_expression() {
    skip();
    size_t start = at_;
    if (peek() != '*' || peek(1) == '*') return expression();
    ++at_;
    Parsed value = expression();
    if (!value) return value;
    PyNode star(NodeKind::starred, start);
    star.children.push_back(std::move(*value));
    return star;
  }

  tl::expected<void, PyCallFault> brace_entry(PyNode& node) {
    if (take("**")) {
      if (node.kind == NodeKind::set) return error("an item of the set");
      Parsed value = expression();
      if (!value) return tl::unexpected(value.error());
      node.children.emplace_back(NodeKind::starred, at_);
      node.children.push_back(std::move(*value));
      return {};
    }
    Parsed key = starred_or_expression();
    if (!key) return tl::unexpected(key.error());
    bool pair = take(":");
    if (node.children.empty() && !pair) node.kind = NodeKind::set;
    if (pair != (node.kind == NodeKind::dict)) return error(pair ? "','" : "':'");
    node.children.push_back(std::move(*key));
    if (!pair) return {};
    Parsed value = expression();
    if (!value) return tl::unexpected(value.error());
    node.children.push_back(std::move(*value));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0, power_depth_ = 0;
};

}  // namespace

int python_precedence(std::string_view op) {
  if (op == "|") return 1;
  if (op == "^") return 2;
  if (op == "&") return 3;
  if (op == "<<" || op == ">>") return 4;
  if (op == "+" || op == "-") return 5;
  if (op == "*" || op == "/" || op == "//" || op == "%" || op == "@") return 6;
  return op == "**" ? kPyPowerPrecedence : 0;
}

Parsed parse_python_expression(std::string_view text) { return ExpressionParser(text).parse(); }

}  // namespace qeval
