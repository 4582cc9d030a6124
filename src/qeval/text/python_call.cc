#include "qeval/text/python_call.h"

#include "qeval/text/python_expr.h"
#include "qeval/text/python_token.h"

namespace qeval {
namespace {

using Kind = PyNode::Kind;
using Value = tl::expected<PyValue, PyCallFault>;

tl::unexpected<PyCallFault> refuse(const PyNode& node, std::string message) {
  return tl::unexpected(PyCallFault{std::move(message), node.offset, false, false});
}

Value value_of(const PyNode& node);

// "a.b.c" of a chain of attributes; what stands before a chain that begins with no name is left out.
std::string dotted_name(const PyNode& function) {
  std::string out;
  const PyNode* node = &function;
  for (; node->kind == Kind::attribute; node = &node->children[0]) out = out.empty() ? node->text : node->text + "." + out;
  if (node->kind == Kind::name) out = out.empty() ? node->text : node->text + "." + out;
  return out;
}

Value arguments_of(const PyNode& call) {
  PyDictBuilder out;
  for (const PyNode::Keyword& keyword : call.keywords) {
    Value value = value_of(keyword.value);
    if (!value) return value;
    out.add(keyword.name.empty() ? PyValue() : PyValue::of(keyword.name), std::move(*value));
  }
  return out.take();
}

Value dict_of(const PyNode& node) {
  PyDictBuilder out;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    if (node.children[i].kind == Kind::starred) return refuse(node, "a dict without **");
    Value key = value_of(node.children[i]);
    if (!key) return key;
    if (key->is(PyValue::Kind::list) || key->is(PyValue::Kind::dict)) return refuse(node.children[i], "a hashable key");
    Value item = value_of(node.children[i + 1]);
    if (!item) return item;
    out.add(std::move(*key), std::move(*item));
  }
  return out.take();
}

Value value_of(const PyNode& node) {
  switch (node.kind) {
    case Kind::constant: return node.value;
    case Kind::name: return PyValue::of(node.text);
    case Kind::list:
    case Kind::tuple: {
      PyValue out = PyValue::of_kind(node.kind == Kind::list ? PyValue::Kind::list : PyValue::Kind::tuple);
      for (const PyNode& child : node.children) {
        Value item = value_of(child);
        if (!item) return item;
        out.items.push_back(std::move(*item));
      }
      return out;
    }
    case Kind::dict: return dict_of(node);
    case Kind::unary: {
      const PyNode& operand = node.children[0];
      bool number = operand.kind == Kind::constant && (operand.value.is(PyValue::Kind::integer) || operand.value.is(PyValue::Kind::real) ||
                                                       operand.value.is(PyValue::Kind::boolean) || operand.value.text == "complex");
      if (!number) return refuse(node, "a number after the sign");
      return py_negative(operand.value);
    }
    case Kind::binary: return python_arithmetic(node);
    case Kind::subscript: return PyValue::of(python_source(node.children[0]) + "[" + python_source(node.children[1]) + "]");
    case Kind::call: {
      if (node.keywords.empty()) return PyValue::of(python_source(node));
      Value arguments = arguments_of(node);
      if (!arguments) return arguments;
      PyDictBuilder out;
      out.add(PyValue::of(dotted_name(node.children[0])), std::move(*arguments));
      return out.take();
    }
    default: return refuse(node, "a literal, a name or a call as a parameter's value");
  }
}

}  // namespace

tl::expected<std::vector<PyCall>, PyCallFault> read_python_calls(std::string_view text) {
  auto tree = parse_python_expression(text);
  if (!tree) return tl::unexpected(tree.error());
  if (tree->kind != Kind::call && tree->kind != Kind::list && tree->kind != Kind::tuple && tree->kind != Kind::set)
    return refuse(*tree, "expected a list of calls");
  std::vector<PyCall> out;
  std::vector<PyNode> single;
  if (tree->kind == Kind::call) single.push_back(std::move(*tree));
  for (const PyNode& node : single.empty() ? tree->children : single) {
    if (node.kind != Kind::call) return refuse(node, "expected a call");
    Value arguments = arguments_of(node);
    if (!arguments) return tl::unexpected(arguments.error());
    out.push_back({dotted_name(node.children[0]), std::move(*arguments)});
  }
  return out;
}

}  // namespace qeval
