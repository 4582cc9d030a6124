#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/text/template_ast.h"
#include "qeval/text/template_lexer.h"

// Internal to text/. Precedence and oddities are Jinja2 3.1's (`**` groups to the left, `-` binds closer than `**`).
namespace qeval::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool is(TokenType type) const { return current().type == type; }
  bool is_op(std::string_view op) const { return is(TokenType::op) && current().text == op; }
  bool is_name(std::string_view name) const { return is(TokenType::name) && current().text == name; }
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_identifier();
  [[noreturn]] void fail(std::string_view expected) const;

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

class ExprParser {
 public:
  explicit ExprParser(TokenStream& tokens) : in_(tokens) {}
  ExprPtr expression(bool with_condition = true);
  // One expression, or a tuple without brackets.
  ExprPtr tuple(bool with_condition = true, bool explicit_parentheses = false, bool stop_at_in = false);
  ExprPtr filters(ExprPtr input, bool start_inline);  // |a|b; `start_inline`: the first without its bar
  ExprPtr postfix_unary();                            // a primary with its calls, for {% call %}
  struct Special {
    bool varargs = false, kwargs = false, caller = false;
  } special;  // which of these names were read

 private:
  ExprPtr logical_or();
  ExprPtr logical_and();
  ExprPtr logical_not();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter = true);
  ExprPtr primary();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filter_chain(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr subscript_argument(Expr& slice);
  ExprPtr call(ExprPtr callee);
  ExprPtr test(ExprPtr node);
  void arguments(Expr& node);
  ExprPtr make(ExprType type);
  static ExprPtr close(ExprPtr node);  // computes the depth, refuses a tree that is too deep

  TokenStream& in_;
  int depth_ = 0;
};

}  // namespace qeval::jinja
