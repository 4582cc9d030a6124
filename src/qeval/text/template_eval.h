#pragma once

#include <map>
#include <memory>
#include <string>

#include "qeval/text/template_ast.h"

// Internal to text/.
namespace qeval::jinja {

struct Scope : Object {
  std::map<std::string, Value, std::less<>> names;
  std::shared_ptr<Scope> parent;
};

// One render of one template: names, output, limits.
class Evaluator {
 public:
  explicit Evaluator(const Json& variables) : variables_(variables), scope_(std::make_shared<Scope>()) {}
  ~Evaluator();

  std::string render(const Block& block);
  Json value_of(const Expr& expr);

 private:
  class ScopeGuard;

  Value eval(const Expr& e);
  Value lookup(const Expr& e);
  Value sequence(const Expr& e);
  Value dict(const Expr& e);
  Value logical(const Expr& e);
  Value compare(const Expr& e);
  bool compare_pair(const std::string& op, const Value& a, const Value& b);
  Value condition(const Expr& e);
  Value concat(const Expr& e);
  Value call(const Expr& e);
  Value filter(const Expr& e, const Value* input);
  Value test(const Expr& e);
  Args arguments(const Expr& e, size_t first_kid);

  void run(const Block& block, std::string& out);
  void run(const Stmt& stmt, std::string& out);
  void print(const Stmt& stmt, std::string& out);
  void if_block(const Stmt& stmt, std::string& out);
  void for_loop(const Stmt& stmt, std::string& out);
  std::shared_ptr<Items> loop_items(const Stmt& stmt);
  void set_block(const Stmt& stmt);
  void filter_block(const Stmt& stmt, std::string& out);
  void with(const Stmt& stmt, std::string& out);
  void call_block(const Stmt& stmt, std::string& out);
  Value make_macro(const Stmt& stmt, const std::string& name);
  Value call_macro(const Stmt& stmt, const std::string& name, const std::shared_ptr<Scope>& closure, Args& args);
  void assign(const Target& target, Value value);
  std::string captured(const Block& block);
  void append(std::string& out, std::string_view text);

  const Json& variables_;
  Runtime rt_;
  std::shared_ptr<Scope> scope_;
  std::vector<std::shared_ptr<Scope>> closures_;  // a macro holds its scope, which holds the macro
};

}  // namespace qeval::jinja
