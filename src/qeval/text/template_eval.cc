#include "qeval/text/template_eval.h"

#include <fmt/format.h>

#include <cmath>

#include "qeval/text/unicode.h"

namespace qeval::jinja {

Evaluator::~Evaluator() {
  for (auto& scope : closures_) scope->names.clear();
}

Json Evaluator::value_of(const Expr& expr) { return rt_.to_json(eval(expr)); }

Value Evaluator::eval(const Expr& e) {
  Level level(rt_);
  rt_.line = e.line;
  rt_.charge(1);
  switch (e.type) {
    case ExprType::constant: return e.value;
    case ExprType::name: return lookup(e);
    case ExprType::list:
    case ExprType::tuple: return sequence(e);
    case ExprType::dict: return dict(e);
    case ExprType::attribute: return get_attribute(rt_, eval(*e.kids[0]), e.name);
    case ExprType::item: {
      Value object = eval(*e.kids[0]);
      return get_item(rt_, object, eval(*e.kids[1]));
    }
    case ExprType::slice: {
      Value object = eval(*e.kids[0]), start = eval(*e.kids[1]), stop = eval(*e.kids[2]);
      return get_slice(rt_, object, start, stop, eval(*e.kids[3]));
    }
    case ExprType::call: return call(e);
    case ExprType::filter: return filter(e, nullptr);
    case ExprType::test: return test(e);
    case ExprType::negate: return negate(rt_, eval(*e.kids[0]));
    case ExprType::plus: {
      Value v = eval(*e.kids[0]);
      return negate(rt_, negate(rt_, v));
    }
    case ExprType::binary: {
      Value left = eval(*e.kids[0]), right = eval(*e.kids[1]);
      return binary(rt_, e.op, left, right);
    }
    case ExprType::logical_not:
    case ExprType::logical_and:
    case ExprType::logical_or: return logical(e);
    case ExprType::compare: return compare(e);
    case ExprType::condition: return condition(e);
    case ExprType::concat: return concat(e);
  }
  return Value();
}

Value Evaluator::lookup(const Expr& e) {
  Scope* root = nullptr;
  for (Scope* s = scope_.get(); s; s = s->parent.get()) {
    if (auto it = s->names.find(e.name); it != s->names.end()) return it->second;
    root = s;
    rt_.charge(1);
  }
  if (variables_.is_object()) {
    if (auto it = variables_.find(e.name); it != variables_.end()) {
      Value value = rt_.from_json(*it);
      root->names.emplace(e.name, value);
      return value;
    }
  }
  return find_global(e.name);
}

Value Evaluator::sequence(const Expr& e) {
  Items items;
  items.reserve(e.kids.size());
  for (const auto& kid : e.kids) items.push_back(eval(*kid));
  return e.type == ExprType::list ? rt_.list(std::move(items)) : rt_.tuple(std::move(items));
}

Value Evaluator::dict(const Expr& e) {
  Value out = new_dict();
  for (size_t i = 0; i + 1 < e.kids.size(); i += 2) {
    Value key = eval(*e.kids[i]);
    dict_set(rt_, out.dict(), std::move(key), eval(*e.kids[i + 1]));
  }
  return out;
}

Value Evaluator::logical(const Expr& e) {
  Value left = eval(*e.kids[0]);
  bool is_true = truth(rt_, left);
  if (e.type == ExprType::logical_not) return Value::boolean(!is_true);
  return is_true == (e.type == ExprType::logical_and) ? eval(*e.kids[1]) : left;
}

bool Evaluator::compare_pair(const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return equals(rt_, a, b);
  if (op == "!=") return !equals(rt_, a, b);
  if (op == "in") return contains(rt_, b, a);
  if (op == "not in") return !contains(rt_, b, a);
  int order = jinja::compare(rt_, a, b, op);
  if (order == 2) return false;  // NaN
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  return op == ">" ? order > 0 : order >= 0;
}

Value Evaluator::compare(const Expr& e) {
  Value left = eval(*e.kids[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = eval(*e.kids[i + 1]);
    if (!compare_pair(e.ops[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Evaluator::condition(const Expr& e) {
  if (truth(rt_, eval(*e.kids[1]))) return eval(*e.kids[0]);
  if (e.kids[2]) return eval(*e.kids[2]);
  return Value::undefined(fmt::format("the inline if-expression on line {} is false and has no else", e.line), true);
}

Value Evaluator::concat(const Expr& e) {
  std::string out;
  for (const auto& kid : e.kids) {
    out += to_str(rt_, eval(*kid));
    if (out.size() > kMaxStringBytes) rt_.fail("a text grows beyond 64 MiB");
  }
  return rt_.string(std::move(out));
}

Args Evaluator::arguments(const Expr& e, size_t first_kid) {
  Args args;
  for (size_t i = first_kid; i < e.kids.size(); ++i) args.positional.push_back(eval(*e.kids[i]));
  for (const auto& [name, value] : e.named) args.named.emplace_back(name, eval(*value));
  if (e.star)
    for (Value& item : iterate(rt_, eval(*e.star))) args.positional.push_back(std::move(item));
  if (e.star_star) {
    Value more = eval(*e.star_star);
    require_defined(rt_, more);
    if (!more.is(Kind::dict)) rt_.fail("expected a dict after **, found " + type_name(more));
    for (const auto& [key, value] : more.dict().entries) args.named.emplace_back(to_str(rt_, key), value);
  }
  return args;
}

Value Evaluator::call(const Expr& e) {
  Value callee = eval(*e.kids[0]);
  Args args = arguments(e, 1);
  rt_.line = e.line;
  require_defined(rt_, callee);
  if (!callee.is(Kind::function)) rt_.fail("'" + type_name(callee) + "' object is not callable");
  return callee.function().call(rt_, args);
}

Value Evaluator::filter(const Expr& e, const Value* input) {
  Value left = e.kids[0] ? e.kids[0]->type == ExprType::filter ? filter(*e.kids[0], input) : eval(*e.kids[0]) : *input;
  Level level(rt_);
  Args args = arguments(e, 1);
  args.positional.insert(args.positional.begin(), std::move(left));
  rt_.line = e.line;
  return e.filter(rt_, args);
}

Value Evaluator::test(const Expr& e) {
  Value left = eval(*e.kids[0]);
  Args args = arguments(e, 1);
  args.positional.insert(args.positional.begin(), std::move(left));
  rt_.line = e.line;
  return Value::boolean(e.test(rt_, args));
}

}  // namespace qeval::jinja
