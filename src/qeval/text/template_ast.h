#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qeval/text/template_value.h"

// Internal to text/: a parsed template. Immutable after parse(), shared by threads.
namespace qeval::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprType {
  constant, name, list, tuple, dict,  // dict: key, value, key, value …
  attribute,                          // kids[0].name
  item,                               // kids[0][kids[1]]
  slice,                              // kids[0][kids[1]:kids[2]:kids[3]], absent ones None constants
  call,                               // kids[0](kids[1…], named)
  filter, test,                       // kids[0]|name(kids[1…], named); kids[0] null inside a filter block
  negate, plus, logical_not, binary, logical_and, logical_or,
  compare,                            // kids[0] ops[0] kids[1] ops[1] kids[2] …
  condition,                          // kids[0] if kids[1] else kids[2] (null: absent)
  concat,
};

struct Expr {
  ExprType type;
  int line = 0;
  int depth = 1;  // of the tree: evaluation recurses this far
  std::string name;
  Value value;
  BinaryOp op = BinaryOp::add;
  std::vector<ExprPtr> kids;
  std::vector<std::string> ops;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, star_star;  // *args, **kwargs
  Builtin filter = nullptr;
  TestFunction test = nullptr;
};

struct Target {
  enum class Type { name, attribute, tuple } type = Type::name;
  std::string name, attribute;
  std::vector<Target> items;
};

struct Stmt;
using Block = std::vector<std::unique_ptr<Stmt>>;

enum class StmtType { text, print, for_loop, if_block, set, set_block, macro, call_block, filter_block, with };

struct Stmt {
  StmtType type;
  int line = 0;
  std::string text;  // data; a macro's name
  ExprPtr expr;      // print, set, iterable, filter of a block, call
  ExprPtr condition; // of a for loop
  Target target;
  std::vector<std::pair<ExprPtr, Block>> branches;          // if, elif
  std::vector<std::pair<std::string, ExprPtr>> parameters;  // macro and call: default or null
  std::vector<std::pair<Target, ExprPtr>> bindings;         // with
  Block body, else_body;
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;  // a macro whose body names them
};

// Throws TemplateError.
Block parse(std::string_view source);

}  // namespace qeval::jinja
