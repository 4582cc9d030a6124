#include "qeval/text/python_call.h"

#include "qeval/text/python_expr.h"
#include "qeval/text/python_token.h"

namespace qeval {
namespace {

using NodeKind = PyNode::Kind;
using Value = tl::expected<PyValue, PyCallFault>;

Value value_of(const PyNode& node);

// "a.b.c" of a chain of attributes; what stands before a chain that begins with no name is left out.
std::string dotted_name(const PyNode& function) {
  std::string out;
  const PyNode* node = &function;
  for (; node->kind == NodeKind::attribute; node = &node->children[0]) out = out.empty() ? node->text : node->text + "." + out;
  if (node->kind == NodeKind::name) out = out.empty() ? node->text : node->text + "." + out;
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
    if (node.children[i].kind == NodeKind::starred) return refuse(node, "a dict without **");
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
    case NodeKind::constant: return node.value;
    case NodeKind::name: return PyValue::of(node.text);
    case NodeKind::list:
    case NodeKind::tuple: {
      PyValue out = PyValue::of_kind(node.kind == NodeKind::list ? PyValue::Kind::list : PyValue::Kind::tuple);
      for (const PyNode& child : node.children) {
        Value item = value_of(child);
        if (!item) return item;
        out.items.push_back(std::move(*item));
      }
      return out;
    }
    case NodeKind::dict: return dict_of(node);
    case NodeKind::unary: {
      const PyNode& operand = node.children[0];
      bool number = operand.kind == NodeKind::constant && (operand.value.is(PyValue::Kind::integer) || operand.value.is(PyValue::Kind::real) ||
                                                       operand.value.is(PyValue::Kind::boolean) || operand.value.text == "complex");
      if (!number) return refuse(node, "a number after the sign");
      return py_negative(operand.value);
    }
    case NodeKind::binary: return python_arithmetic(node);
    case NodeKind::subscript: return PyValue::of(python_source(node.children[0]) + "[" + python_source(node.children[1]) + "]");
    case NodeKind::call: {
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
  if (tree->kind != NodeKind::call && tree->kind != NodeKind::list && tree->kind != NodeKind::tuple && tree->kind != NodeKind::set)
    return refuse(*tree, "expected a list of calls");
  std::vector<PyCall> out;
  std::vector<PyNode> single;
  if (tree->kind == NodeKind::call) single.push_back(std::move(*tree));
  for (const PyNode& node : single.empty() ? tree->children : single) {
    if (node.kind != NodeKind::call) return refuse(node, "expected a call");
    Value arguments = arguments_of(node);
    if (!arguments) return tl::unexpected(arguments.error());
    out.push_back({dotted_name(node.children[0]), std::move(*arguments)});
  }
  return out;
}

}  // namespace qeval
