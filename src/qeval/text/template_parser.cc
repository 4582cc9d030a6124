#include "qeval/text/template_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "qeval/text/unicode.h"

namespace qeval::jinja {
namespace {

constexpr int kMaxBlocks = 60;  // statements within statements

class Parser {
 public:
  explicit Parser(std::string_view source) : in_(lex(source)), expr_(in_) {}

  Block run() {
    Block block = until({});
    if (!in_.is(TokenType::end)) in_.fail("the end of the template");
    return block;
  }

 private:
  // Statements up to a tag of one of these names; the cursor then stands on that name.
  Block until(std::initializer_list<std::string_view> ends) {
    if (++depth_ > kMaxBlocks) in_.fail(fmt::format("at most {} statements within each other", kMaxBlocks));
    Block block;
    while (!in_.is(TokenType::end)) {
      if (in_.is(TokenType::data)) {
        auto text = make(StmtType::text);
        text->text = in_.current().text;
        in_.next();
        block.push_back(std::move(text));
      } else if (in_.is(TokenType::variable_begin)) {
        in_.next();
        auto print = make(StmtType::print);
        print->expr = expr_.tuple();
        end_tag(TokenType::variable_end, "'}}' to end the expression");
        block.push_back(std::move(print));
      } else {
        in_.next();
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view name) { return in_.is_name(name); })) {
          --depth_;
          return block;
        }
        block.push_back(statement(ends));
      }
    }
    if (ends.size() > 0) in_.fail(fmt::format("'{{% {} %}}'", *(ends.end() - 1)));
    --depth_;
    return block;
  }

  std::unique_ptr<Stmt> make(StmtType type) const {
    auto stmt = std::make_unique<Stmt>();
    stmt->type = type;
    stmt->line = in_.current().line;
    return stmt;
  }
  void end_tag(TokenType type, std::string_view expected) {
    if (!in_.is(type)) in_.fail(expected);
    in_.next();
  }
  void end_block() { end_tag(TokenType::block_end, "'%}' to end the statement"); }
  void finish(std::string_view name) {
    in_.expect_name(name);
    end_block();
  }

  std::unique_ptr<Stmt> statement(std::initializer_list<std::string_view> ends) {
    if (in_.is_name("for")) return for_loop();
    if (in_.is_name("if")) return if_block();
    if (in_.is_name("set")) return set();
    if (in_.is_name("macro")) return macro();
    if (in_.is_name("call")) return call_block();
    if (in_.is_name("filter")) return filter_block();
    if (in_.is_name("with")) return with();
    if (in_.is_name("print")) return print();
    for (std::string_view name : {"block", "extends", "include", "import", "from", "do", "break", "continue", "autoescape", "generation"})
      if (in_.is_name(name))
        throw TemplateError{in_.current().line, fmt::format("the statement '{}' is not supported", name)};
    std::string expected = "a statement (for, if, set, macro, call, filter, with, raw)";
    if (ends.size() > 0) expected += fmt::format(" or '{}'", *(ends.end() - 1));
    in_.fail(expected);
  }

  std::unique_ptr<Stmt> print() {
    auto stmt = make(StmtType::print);
    in_.next();
    stmt->expr = expr_.tuple();
    end_block();
    return stmt;
  }

  std::unique_ptr<Stmt> for_loop() {
    auto stmt = make(StmtType::for_loop);
    in_.next();
    stmt->target = target(true, false);
    in_.expect_name("in");
    stmt->expr = expr_.tuple(false);
    if (in_.skip_name("if")) stmt->condition = expr_.expression();
    if (in_.is_name("recursive")) throw TemplateError{stmt->line, "'recursive' loops are not supported"};
    end_block();
    stmt->body = until({"else", "endfor"});
    if (in_.skip_name("else")) {
      end_block();
      stmt->else_body = until({"endfor"});
    }
    finish("endfor");
    return stmt;
  }

  std::unique_ptr<Stmt> if_block() {
    auto stmt = make(StmtType::if_block);
    in_.next();
    while (true) {
      ExprPtr condition = expr_.tuple(false);
      end_block();
      Block body = until({"elif", "else", "endif"});
      stmt->branches.emplace_back(std::move(condition), std::move(body));
      if (!in_.skip_name("elif")) break;
    }
    if (in_.skip_name("else")) {
      end_block();
      stmt->else_body = until({"endif"});
    }
    finish("endif");
    return stmt;
  }

  std::unique_ptr<Stmt> set() {
    auto stmt = make(StmtType::set);
    in_.next();
    stmt->target = target(true, true);
    if (in_.skip_op("=")) {
      stmt->expr = expr_.tuple();
      end_block();
      return stmt;
    }
    stmt->type = StmtType::set_block;
    if (in_.is_op("|")) stmt->expr = expr_.filters(nullptr, false);
    end_block();
    stmt->body = until({"endset"});
    finish("endset");
    return stmt;
  }

  void parameters(Stmt& stmt) {
    in_.expect_op("(");
    while (!in_.is_op(")")) {
      if (!stmt.parameters.empty()) in_.expect_op(",");
      std::string name = in_.expect_identifier();
      ExprPtr fallback;
      if (in_.skip_op("=")) fallback = expr_.expression();
      else if (!stmt.parameters.empty() && stmt.parameters.back().second) in_.fail("a default for this parameter");
      stmt.parameters.emplace_back(std::move(name), std::move(fallback));
    }
    in_.next();
  }

  void macro_body(Stmt& stmt, std::string_view end) {
    ExprParser::Special outer = std::exchange(expr_.special, {});
    stmt.body = until({end});
    ExprParser::Special& used = expr_.special;
    stmt.takes_varargs = used.varargs;
    stmt.takes_kwargs = used.kwargs;
    stmt.takes_caller = used.caller;
    used = {used.varargs || outer.varargs, used.kwargs || outer.kwargs, used.caller || outer.caller};
  }

  std::unique_ptr<Stmt> macro() {
    auto stmt = make(StmtType::macro);
    in_.next();
    stmt->text = in_.expect_identifier();
    parameters(*stmt);
    end_block();
    macro_body(*stmt, "endmacro");
    finish("endmacro");
    return stmt;
  }

  std::unique_ptr<Stmt> call_block() {
    auto stmt = make(StmtType::call_block);
    in_.next();
    if (in_.is_op("(")) parameters(*stmt);
    stmt->expr = expr_.postfix_unary();
    if (stmt->expr->type != ExprType::call) throw TemplateError{stmt->line, "expected a call after 'call'"};
    end_block();
    macro_body(*stmt, "endcall");
    finish("endcall");
    return stmt;
  }

  std::unique_ptr<Stmt> filter_block() {
    auto stmt = make(StmtType::filter_block);
    in_.next();
    stmt->expr = expr_.filters(nullptr, true);
    end_block();
    stmt->body = until({"endfilter"});
    finish("endfilter");
    return stmt;
  }

  std::unique_ptr<Stmt> with() {
    auto stmt = make(StmtType::with);
    in_.next();
    while (!in_.is(TokenType::block_end)) {
      if (!stmt->bindings.empty()) in_.expect_op(",");
      Target name = target(false, false);
      in_.expect_op("=");
      ExprPtr value = expr_.expression();
      stmt->bindings.emplace_back(std::move(name), std::move(value));
    }
    end_block();
    stmt->body = until({"endwith"});
    finish("endwith");
    return stmt;
  }

  Target target(bool with_tuple, bool with_namespace) {
    Target first = single_target(with_namespace);
    if (!with_tuple || !in_.is_op(",")) return first;
    Target tuple;
    tuple.type = Target::Type::tuple;
    tuple.items.push_back(std::move(first));
    while (in_.skip_op(",")) {
      if (!in_.is(TokenType::name) && !in_.is_op("(")) break;
      if (in_.is_name("in")) break;
      tuple.items.push_back(single_target(with_namespace));
    }
    return tuple;
  }

  Target single_target(bool with_namespace) {
    Target out;
    if (in_.skip_op("(")) {
      if (++depth_ > kMaxBlocks) in_.fail("fewer brackets");
      out = target(true, with_namespace);
      in_.expect_op(")");
      --depth_;
      return out;
    }
    int line = in_.current().line;
    out.name = in_.expect_identifier();
    if (with_namespace && in_.skip_op(".")) {
      out.type = Target::Type::attribute;
      out.attribute = in_.expect_identifier();
    }
    for (std::string_view word : {"true", "false", "none", "True", "False", "None"})
      if (out.name == word) throw TemplateError{line, fmt::format("cannot assign to '{}'", word)};
    return out;
  }

  TokenStream in_;
  ExprParser expr_;
  int depth_ = 0;
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).run(); }

}  // namespace qeval::jinja
