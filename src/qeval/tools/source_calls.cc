#include <fmt/format.h>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"
#include "qeval/tools/call_reader.h"

namespace qeval {
namespace {

constexpr int kMaxDepth = 200;

// f(a=1, b=new int[]{1, 2}): names and raw source text of the values. BFCL reads these with tree-sitter; the forms that
// its ground truth uses come out the same.
class SourceReader {
 public:
  SourceReader(std::string_view text, CallSyntax language) : text_(text), language_(language) {}

  ParsedCalls read() {
    skip_space();
    size_t begin = at_;
    while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
    Call call;
    call.name = std::string(text_.substr(begin, at_ - begin));
    skip_space();
    if (call.name.empty() || !take('(')) return broken("expected a call");
    PyDictBuilder arguments;
    for (skip_space(); !take(')'); skip_space()) {
      std::string fault = argument(arguments);
      if (!fault.empty()) return unterminated_ ? call_fault(FailureClass::unterminated_string, fault) : broken(fault);
    }
    skip_space();
    take(';');
    skip_space();
    if (at_ < text_.size()) return broken("expected the end of the call");
    call.arguments = arguments.take();
    ParsedCalls out;
    out.calls.push_back(std::move(call));
    return out;
  }

 private:
  ParsedCalls broken(const std::string& what) const {
    return call_fault(FailureClass::syntax_error, fmt::format("{} (near: {})", what, printable(valid_utf8(text_.substr(std::min(at_, text_.size()), 40)))));
  }
  static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // One argument and the comma behind it; "" = read.
  std::string argument(PyDictBuilder& arguments) {
    size_t begin = at_, equals = std::string_view::npos, depth = 0;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"' || c == '\'' || (c == '`' && language_ == CallSyntax::javascript)) {
        if (!skip_string(c)) return "a string never ends";
        continue;
      }
      if (depth == 0 && (c == ',' || c == ')')) break;
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') {
        if (depth == 0) return fmt::format("a stray '{}'", c);
        --depth;
      }
      if (depth > kMaxDepth) return "nested too deep";
      bool assigns = c == '=' && at_ + 1 < text_.size() && text_[at_ + 1] != '=' && text_[at_ + 1] != '>';
      if (assigns && depth == 0 && equals == std::string_view::npos) equals = at_;
    }
    if (at_ >= text_.size()) return "the text ends before the call does";
    if (equals != std::string_view::npos) {
      std::string name = py_strip(text_.substr(begin, equals - begin));
      arguments.add(PyValue::of(std::move(name)), PyValue::of(value_text(text_.substr(equals + 1, at_ - equals - 1))));
    }
    if (text_[at_] == ',') ++at_;
    return "";
  }

  bool skip_string(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_)
      if (text_[at_] == '\\') ++at_;
    unterminated_ = at_ >= text_.size();
    return !unterminated_;
  }

  // A string literal stands for its text, anything else for its source.
  static std::string value_text(std::string_view source) {
    std::string value = py_strip(source);
    char first = value.empty() ? '\0' : value.front();
    bool quoted = value.size() >= 2 && (first == '"' || first == '\'') && value.back() == first;
    return quoted ? value.substr(1, value.size() - 2) : value;
  }

  std::string_view text_;
  CallSyntax language_;
  size_t at_ = 0;
  bool unterminated_ = false;
};

}  // namespace

ParsedCalls read_source(std::string_view text, CallSyntax language) {
  std::string whole = py_strip(text, "`\n ");
  if (!whole.empty() && whole.front() == '[') whole.erase(0, 1);
  if (!whole.empty() && whole.back() == ']') whole.pop_back();
  if (py_strip(whole).empty()) return {};
  return SourceReader(whole, language).read();
}

}  // namespace qeval
