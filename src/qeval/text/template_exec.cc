#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_eval.h"

namespace qeval::jinja {

class Evaluator::ScopeGuard {
 public:
  ScopeGuard(Evaluator& evaluator, std::shared_ptr<Scope> parent) : evaluator_(evaluator), saved_(evaluator.scope_) {
    auto scope = std::make_shared<Scope>();
    scope->parent = std::move(parent);
    evaluator_.scope_ = std::move(scope);
  }
  explicit ScopeGuard(Evaluator& evaluator) : ScopeGuard(evaluator, evaluator.scope_) {}
  ~ScopeGuard() { evaluator_.scope_ = std::move(saved_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Evaluator& evaluator_;
  std::shared_ptr<Scope> saved_;
};

std::string Evaluator::render(const Block& block) {
  std::string out;
  run(block, out);
  return out;
}

void Evaluator::append(std::string& out, std::string_view text) {
  rt_.charge(1 + text.size() / 64);
  if (out.size() + text.size() > kMaxStringBytes) rt_.fail("the output grows beyond 64 MiB");
  out += text;
}

void Evaluator::run(const Block& block, std::string& out) {
  Level level(rt_);
  for (const auto& stmt : block) run(*stmt, out);
}

void Evaluator::run(const Stmt& stmt, std::string& out) {
  rt_.line = stmt.line;
  rt_.charge(1);
  switch (stmt.type) {
    case StmtType::text: append(out, stmt.text); break;
    case StmtType::print: print(stmt, out); break;
    case StmtType::for_loop: for_loop(stmt, out); break;
    case StmtType::if_block: if_block(stmt, out); break;
    case StmtType::set: assign(stmt.target, eval(*stmt.expr)); break;
    case StmtType::set_block: set_block(stmt); break;
    case StmtType::macro: scope_->names[stmt.text] = make_macro(stmt, stmt.text); break;
    case StmtType::call_block: call_block(stmt, out); break;
    case StmtType::filter_block: filter_block(stmt, out); break;
    case StmtType::with: with(stmt, out); break;
  }
}

void Evaluator::print(const Stmt& stmt, std::string& out) {
  Value value = eval(*stmt.expr);
  rt_.line = stmt.line;
  if (value.is_string()) append(out, value.text());
  else append(out, to_str(rt_, value));
}

void Evaluator::if_block(const Stmt& stmt, std::string& out) {
  for (const auto& [condition, body] : stmt.branches)
    if (truth(rt_, eval(*condition))) return run(body, out);
  run(stmt.else_body, out);
}

// The items of a loop, after its `if`.
std::shared_ptr<Items> Evaluator::loop_items(const Stmt& stmt) {
  auto items = std::make_shared<Items>(iterate(rt_, eval(*stmt.expr)));
  if (!stmt.condition) return items;
  auto kept = std::make_shared<Items>();
  for (Value& item : *items) {
    ScopeGuard scope(*this);
    assign(stmt.target, item);
    if (truth(rt_, eval(*stmt.condition))) kept->push_back(std::move(item));
  }
  return kept;
}

void Evaluator::for_loop(const Stmt& stmt, std::string& out) {
  auto loop = std::make_shared<Loop>();
  loop->items = loop_items(stmt);
  if (loop->items->empty()) {
    ScopeGuard scope(*this);
    return run(stmt.else_body, out);
  }
  loop->depth = depth_of(*loop->items) + 1;
  Value loop_value = Value::object(Kind::loop, loop);
  for (size_t i = 0; i < loop->items->size(); ++i) {
    rt_.charge(2);
    ScopeGuard scope(*this);
    loop->index0 = i;
    scope_->names["loop"] = loop_value;
    assign(stmt.target, (*loop->items)[i]);
    run(stmt.body, out);
  }
}

std::string Evaluator::captured(const Block& block) {
  std::string text;
  ScopeGuard scope(*this);
  run(block, text);
  return text;
}

void Evaluator::set_block(const Stmt& stmt) {
  Value text = rt_.string(captured(stmt.body));
  assign(stmt.target, stmt.expr ? filter(*stmt.expr, &text) : text);
}

void Evaluator::filter_block(const Stmt& stmt, std::string& out) {
  Value text = rt_.string(captured(stmt.body));
  append(out, to_str(rt_, filter(*stmt.expr, &text)));
}

void Evaluator::with(const Stmt& stmt, std::string& out) {
  // The values see the outer scope, not one another.
  std::vector<Value> values;
  for (const auto& binding : stmt.bindings) values.push_back(eval(*binding.second));
  ScopeGuard scope(*this);
  for (size_t i = 0; i < values.size(); ++i) assign(stmt.bindings[i].first, std::move(values[i]));
  run(stmt.body, out);
}

void Evaluator::assign(const Target& target, Value value) {
  switch (target.type) {
    case Target::Type::name: scope_->names[target.name] = std::move(value); return;
    case Target::Type::attribute: {
      Expr name{ExprType::name};
      name.name = target.name;
      Value object = lookup(name);
      require_defined(rt_, object);
      if (!object.is(Kind::name_space)) rt_.fail("cannot assign attribute on non-namespace object '" + target.name + "'");
      if (value.is_container()) rt_.keep(object.object());
      auto& attributes = object.name_space().attributes;
      auto it = std::find_if(attributes.begin(), attributes.end(), [&](const auto& a) { return a.first == target.attribute; });
      if (it != attributes.end()) it->second = std::move(value);
      else attributes.emplace_back(target.attribute, std::move(value));
      return;
    }
    case Target::Type::tuple: {
      Items items = iterate(rt_, value);
      if (items.size() != target.items.size())
        rt_.fail(fmt::format("expected {} values to unpack, found {}", target.items.size(), items.size()));
      for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], std::move(items[i]));
      return;
    }
  }
}

Value Evaluator::make_macro(const Stmt& stmt, const std::string& name) {
  closures_.push_back(scope_);
  rt_.charge(4);
  return make_function(name, [this, &stmt, name, closure = scope_](Runtime&, Args& args) {
    return call_macro(stmt, name, closure, args);
  });
}

Value Evaluator::call_macro(const Stmt& stmt, const std::string& name, const std::shared_ptr<Scope>& closure, Args& args) {
  Level level(rt_);
  ScopeGuard scope(*this, closure);
  const auto& parameters = stmt.parameters;
  std::vector<std::optional<Value>> values(parameters.size());
  for (size_t i = 0; i < std::min(parameters.size(), args.positional.size()); ++i) values[i] = args.positional[i];
  Value more = new_dict(), caller = Value::undefined("there is no caller: the macro was not called by {% call %}");
  for (auto& [key, value] : args.named) {
    auto it = std::find_if(parameters.begin(), parameters.end(), [&](const auto& p) { return p.first == key; });
    if (it == parameters.end()) {
      if (key == "caller" && stmt.takes_caller) caller = value;
      else if (!stmt.takes_kwargs) rt_.fail(fmt::format("macro '{}' takes no keyword argument '{}'", name, key));
      else dict_set(rt_, more.dict(), rt_.string(key), value);
      continue;
    }
    auto& slot = values[static_cast<size_t>(it - parameters.begin())];
    if (slot) rt_.fail(fmt::format("macro '{}' got multiple values for argument '{}'", name, key));
    slot = value;
  }
  Items rest;
  if (args.positional.size() > parameters.size() && !stmt.takes_varargs)
    rt_.fail(fmt::format("macro '{}' takes not more than {} arguments", name, parameters.size()));
  if (args.positional.size() > parameters.size())
    rest.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(parameters.size()), args.positional.end());
  for (size_t i = 0; i < parameters.size(); ++i) {
    Value fallback = Value::undefined(fmt::format("parameter '{}' was not provided", parameters[i].first));
    scope_->names[parameters[i].first] = values[i] ? *values[i] : parameters[i].second ? eval(*parameters[i].second) : fallback;
  }
  scope_->names["varargs"] = rt_.tuple(std::move(rest));
  scope_->names["kwargs"] = more;
  scope_->names["caller"] = caller;
  std::string text;
  run(stmt.body, text);
  return rt_.string(std::move(text));
}

void Evaluator::call_block(const Stmt& stmt, std::string& out) {
  const Expr& e = *stmt.expr;
  Value callee = eval(*e.kids[0]);
  Args args = arguments(e, 1);
  args.named.emplace_back("caller", make_macro(stmt, "caller"));
  rt_.line = stmt.line;
  require_defined(rt_, callee);
  if (!callee.is(Kind::function)) rt_.fail("'" + type_name(callee) + "' object is not callable");
  append(out, to_str(rt_, callee.function().call(rt_, args)));
}

}  // namespace qeval::jinja
