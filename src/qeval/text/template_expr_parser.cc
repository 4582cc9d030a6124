#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/template_parser.h"
#include "qeval/text/unicode.h"

namespace qeval::jinja {
namespace {

constexpr int kMaxNesting = 100;    // brackets within brackets
constexpr int kMaxTreeDepth = 400;  // operators and filters in a chain

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::end: return "the end of the template";
    case TokenType::data: return "text";
    default: return "'" + printable(token.text.substr(0, 40)) + "'";
  }
}

class Nesting {
 public:
  Nesting(int& depth, const TokenStream& in) : depth_(depth) {
    if (++depth_ > kMaxNesting) {
      --depth_;
      in.fail(fmt::format("at most {} levels of nesting", kMaxNesting));
    }
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

}  // namespace

bool TokenStream::skip_op(std::string_view op) {
  if (!is_op(op)) return false;
  next();
  return true;
}
bool TokenStream::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  next();
  return true;
}
void TokenStream::expect_op(std::string_view op) {
  if (!skip_op(op)) fail(fmt::format("'{}'", op));
}
void TokenStream::expect_name(std::string_view name) {
  if (!skip_name(name)) fail(fmt::format("'{}'", name));
}
std::string TokenStream::expect_identifier() {
  if (!is(TokenType::name)) fail("a name");
  std::string name = current().text;
  next();
  return name;
}
void TokenStream::fail(std::string_view expected) const {
  throw TemplateError{current().line, fmt::format("expected {}, found {}", expected, describe(current()))};
}

ExprPtr ExprParser::make(ExprType type) {
  auto node = std::make_unique<Expr>();
  node->type = type;
  node->line = in_.current().line;
  return node;
}

ExprPtr ExprParser::close(ExprPtr node) {
  auto deepen = [&](const ExprPtr& kid) {
    if (kid) node->depth = std::max(node->depth, kid->depth + 1);
  };
  for (const auto& kid : node->kids) deepen(kid);
  for (const auto& named : node->named) deepen(named.second);
  deepen(node->star);
  deepen(node->star_star);
  if (node->depth > kMaxTreeDepth) throw TemplateError{node->line, "expected a simpler expression: it is nested too deeply"};
  return node;
}

ExprPtr ExprParser::expression(bool with_condition) {
  Nesting nesting(depth_, in_);
  ExprPtr value = logical_or();
  while (with_condition && in_.is_name("if")) {
    ExprPtr node = make(ExprType::condition);
    in_.next();
    ExprPtr condition = logical_or();
    node->kids.push_back(std::move(value));
    node->kids.push_back(std::move(condition));
    node->kids.push_back(in_.skip_name("else") ? expression() : nullptr);
    value = close(std::move(node));
  }
  return value;
}

ExprPtr ExprParser::logical_or() {
  ExprPtr left = logical_and();
  while (in_.is_name("or")) {
    ExprPtr node = make(ExprType::logical_or);
    in_.next();
    node->kids.push_back(std::move(left));
    node->kids.push_back(logical_and());
    left = close(std::move(node));
  }
  return left;
}

ExprPtr ExprParser::logical_and() {
  ExprPtr left = logical_not();
  while (in_.is_name("and")) {
    ExprPtr node = make(ExprType::logical_and);
    in_.next();
    node->kids.push_back(std::move(left));
    node->kids.push_back(logical_not());
    left = close(std::move(node));
  }
  return left;
}

ExprPtr ExprParser::logical_not() {
  if (!in_.is_name("not")) return comparison();
  Nesting nesting(depth_, in_);
  ExprPtr node = make(ExprType::logical_not);
  in_.next();
  node->kids.push_back(logical_not());
  return close(std::move(node));
}

ExprPtr ExprParser::comparison() {
  ExprPtr node = make(ExprType::compare);
  node->kids.push_back(sum());
  while (true) {
    static constexpr std::string_view kOps[] = {"==", "!=", "<", "<=", ">", ">="};
    auto op = std::find_if(std::begin(kOps), std::end(kOps), [&](std::string_view o) { return in_.is_op(o); });
    if (op != std::end(kOps)) {
      in_.next();
      node->ops.emplace_back(*op);
    } else if (in_.is_name("in")) {
      in_.next();
      node->ops.emplace_back("in");
    } else if (in_.is_name("not") && in_.look().type == TokenType::name && in_.look().text == "in") {
      in_.next();
      in_.next();
      node->ops.emplace_back("not in");
    } else {
      break;
    }
    node->kids.push_back(sum());
  }
  if (node->ops.empty()) return std::move(node->kids[0]);
  return close(std::move(node));
}

ExprPtr ExprParser::sum() {
  ExprPtr left = concatenation();
  while (in_.is_op("+") || in_.is_op("-")) {
    ExprPtr node = make(ExprType::binary);
    node->op = in_.is_op("+") ? BinaryOp::add : BinaryOp::sub;
    in_.next();
    node->kids.push_back(std::move(left));
    node->kids.push_back(concatenation());
    left = close(std::move(node));
  }
  return left;
}

ExprPtr ExprParser::concatenation() {
  ExprPtr node = make(ExprType::concat);
  node->kids.push_back(product());
  while (in_.skip_op("~")) node->kids.push_back(product());
  if (node->kids.size() == 1) return std::move(node->kids[0]);
  return close(std::move(node));
}

ExprPtr ExprParser::product() {
  static constexpr std::pair<std::string_view, BinaryOp> kOps[] = {
      {"*", BinaryOp::mul}, {"/", BinaryOp::div}, {"//", BinaryOp::floordiv}, {"%", BinaryOp::mod}};
  ExprPtr left = power();
  while (true) {
    auto op = std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& o) { return in_.is_op(o.first); });
    if (op == std::end(kOps)) return left;
    ExprPtr node = make(ExprType::binary);
    node->op = op->second;
    in_.next();
    node->kids.push_back(std::move(left));
    node->kids.push_back(power());
    left = close(std::move(node));
  }
}

ExprPtr ExprParser::power() {
  ExprPtr left = unary();
  while (in_.is_op("**")) {
    ExprPtr node = make(ExprType::binary);
    node->op = BinaryOp::pow;
    in_.next();
    node->kids.push_back(std::move(left));
    node->kids.push_back(unary());
    left = close(std::move(node));
  }
  return left;
}

ExprPtr ExprParser::unary(bool with_filter) {
  ExprPtr node;
  if (in_.is_op("-") || in_.is_op("+")) {
    Nesting nesting(depth_, in_);
    node = make(in_.is_op("-") ? ExprType::negate : ExprType::plus);
    in_.next();
    node->kids.push_back(unary(false));
    node = close(std::move(node));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filter_chain(std::move(node)) : std::move(node);
}

ExprPtr ExprParser::postfix_unary() { return unary(false); }

ExprPtr ExprParser::primary() {
  const Token& token = in_.current();
  ExprPtr node = make(ExprType::constant);
  switch (token.type) {
    case TokenType::name: {
      const std::string& name = token.text;
      if (name == "true" || name == "True") node->value = Value::boolean(true);
      else if (name == "false" || name == "False") node->value = Value::boolean(false);
      else if (name != "none" && name != "None") {
        node->type = ExprType::name;
        node->name = name;
        special.varargs |= name == "varargs";
        special.kwargs |= name == "kwargs";
        special.caller |= name == "caller";
      }
      in_.next();
      return node;
    }
    case TokenType::string: {
      std::string text;
      for (; in_.is(TokenType::string); in_.next()) text += in_.current().text;
      node->value = Value::string(std::move(text));
      return node;
    }
    case TokenType::integer:
    case TokenType::real:
      node->value = token.value;
      in_.next();
      return node;
    default: break;
  }
  if (in_.skip_op("(")) {
    ExprPtr inside = tuple(true, true);
    in_.expect_op(")");
    return inside;
  }
  if (in_.is_op("[")) return list();
  if (in_.is_op("{")) return dict();
  in_.fail("an expression");
}

ExprPtr ExprParser::tuple(bool with_condition, bool explicit_parentheses, bool stop_at_in) {
  ExprPtr node = make(ExprType::tuple);
  bool is_tuple = false;
  auto at_end = [&] {
    return in_.is(TokenType::variable_end) || in_.is(TokenType::block_end) || in_.is(TokenType::end) || in_.is_op(")") ||
           (stop_at_in && in_.is_name("in"));
  };
  while (!at_end()) {
    node->kids.push_back(expression(with_condition));
    if (!in_.skip_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!node->kids.empty()) return std::move(node->kids[0]);
    if (!explicit_parentheses) in_.fail("an expression");
  }
  return close(std::move(node));
}

ExprPtr ExprParser::list() {
  ExprPtr node = make(ExprType::list);
  in_.next();
  while (!in_.is_op("]")) {
    if (!node->kids.empty()) in_.expect_op(",");
    if (in_.is_op("]")) break;
    node->kids.push_back(expression());
  }
  in_.expect_op("]");
  return close(std::move(node));
}

ExprPtr ExprParser::dict() {
  ExprPtr node = make(ExprType::dict);
  in_.next();
  while (!in_.is_op("}")) {
    if (!node->kids.empty()) in_.expect_op(",");
    if (in_.is_op("}")) break;
    node->kids.push_back(expression());
    in_.expect_op(":");
    node->kids.push_back(expression());
  }
  in_.expect_op("}");
  return close(std::move(node));
}

ExprPtr ExprParser::postfix(ExprPtr node) {
  while (true) {
    if (in_.is_op(".") || in_.is_op("[")) node = subscript(std::move(node));
    else if (in_.is_op("(")) node = call(std::move(node));
    else return node;
  }
}

ExprPtr ExprParser::filter_chain(ExprPtr node) {
  while (true) {
    if (in_.is_op("|")) node = filters(std::move(node), false);
    else if (in_.is_name("is")) node = test(std::move(node));
    else if (in_.is_op("(")) node = call(std::move(node));
    else return node;
  }
}

ExprPtr ExprParser::subscript(ExprPtr object) {
  ExprPtr node = make(ExprType::item);
  node->kids.push_back(std::move(object));
  if (in_.skip_op(".")) {
    if (in_.is(TokenType::integer)) {
      node->kids.push_back(primary());
    } else {
      node->type = ExprType::attribute;
      node->name = in_.expect_identifier();
    }
    return close(std::move(node));
  }
  in_.expect_op("[");
  ExprPtr key = subscript_argument(*node);
  if (key && in_.is_op(",")) {
    ExprPtr keys = make(ExprType::tuple);
    keys->kids.push_back(std::move(key));
    while (in_.skip_op(",")) keys->kids.push_back(expression());
    key = close(std::move(keys));
  }
  if (key) node->kids.push_back(std::move(key));
  in_.expect_op("]");
  return close(std::move(node));
}

// The key, or null where a slice was read into `node`.
ExprPtr ExprParser::subscript_argument(Expr& node) {
  ExprPtr first;
  if (!in_.is_op(":")) {
    first = expression();
    if (!in_.is_op(":")) return first;
  }
  in_.expect_op(":");
  node.type = ExprType::slice;
  node.kids.push_back(first ? std::move(first) : make(ExprType::constant));
  auto bound = [&] {
    bool absent = in_.is_op(":") || in_.is_op("]") || in_.is_op(",");
    node.kids.push_back(absent ? make(ExprType::constant) : expression());
  };
  bound();
  if (in_.skip_op(":")) bound();
  else node.kids.push_back(make(ExprType::constant));
  return nullptr;
}

ExprPtr ExprParser::call(ExprPtr callee) {
  ExprPtr node = make(ExprType::call);
  node->kids.push_back(std::move(callee));
  arguments(*node);
  return close(std::move(node));
}

void ExprParser::arguments(Expr& node) {
  in_.expect_op("(");
  bool first = true;
  while (!in_.is_op(")")) {
    if (!first) {
      in_.expect_op(",");
      if (in_.is_op(")")) break;
    }
    first = false;
    if (in_.skip_op("*")) {
      if (node.star || node.star_star) in_.fail("one *argument");
      node.star = expression();
    } else if (in_.skip_op("**")) {
      if (node.star_star) in_.fail("one **argument");
      node.star_star = expression();
    } else if (in_.is(TokenType::name) && in_.look().type == TokenType::op && in_.look().text == "=") {
      if (node.star_star) in_.fail("no argument after **arguments");
      std::string name = in_.expect_identifier();
      in_.next();
      node.named.emplace_back(std::move(name), expression());
    } else {
      if (node.star || node.star_star || !node.named.empty()) in_.fail("no positional argument after named ones");
      node.kids.push_back(expression());
    }
  }
  in_.expect_op(")");
}

ExprPtr ExprParser::filters(ExprPtr input, bool start_inline) {
  while (in_.is_op("|") || start_inline) {
    if (!start_inline) in_.next();
    start_inline = false;
    ExprPtr node = make(ExprType::filter);
    node->name = in_.expect_identifier();
    while (in_.skip_op(".")) node->name += "." + in_.expect_identifier();
    node->filter = find_filter(node->name);
    if (!node->filter) throw TemplateError{node->line, "there is no filter named '" + printable(node->name) + "'"};
    node->kids.push_back(std::move(input));
    if (in_.is_op("(")) arguments(*node);
    input = close(std::move(node));
  }
  return input;
}

ExprPtr ExprParser::test(ExprPtr value) {
  ExprPtr node = make(ExprType::test);
  in_.next();
  bool negated = in_.skip_name("not");
  node->name = in_.expect_identifier();
  while (in_.skip_op(".")) node->name += "." + in_.expect_identifier();
  node->test = find_test(node->name);
  if (!node->test) throw TemplateError{node->line, "there is no test named '" + printable(node->name) + "'"};
  node->kids.push_back(std::move(value));
  bool value_follows = in_.is(TokenType::name) || in_.is(TokenType::string) || in_.is(TokenType::integer) ||
                       in_.is(TokenType::real) || in_.is_op("[") || in_.is_op("{");
  if (in_.is_op("(")) {
    arguments(*node);
  } else if (value_follows && !in_.is_name("else") && !in_.is_name("or") && !in_.is_name("and")) {
    if (in_.is_name("is")) in_.fail("no second test: tests cannot be chained with 'is'");
    ExprPtr argument = postfix(primary());
    node->kids.push_back(std::move(argument));
  }
  node = close(std::move(node));
  if (!negated) return node;
  ExprPtr inverse = make(ExprType::logical_not);
  inverse->kids.push_back(std::move(node));
  return close(std::move(inverse));
}

}  // namespace qeval::jinja
