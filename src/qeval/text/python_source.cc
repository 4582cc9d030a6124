#include <cmath>

#include "qeval/text/python_expr.h"
#include "qeval/text/python_literal.h"
#include "qeval/text/python_repr.h"

namespace qeval {
namespace {

using NodeKind = PyNode::Kind;

// Python 3.11's ast.unparse: parentheses where the place binds stronger than the expression.
class SourceWriter {
 public:
  std::string out;

  void write(const PyNode& node, int place = 0) {
    switch (node.kind) {
      case NodeKind::constant: return constant(node, place);
      case NodeKind::name: out += node.text; return;
      case NodeKind::attribute:
        write(node.children[0], kPyAtomPrecedence);
        out += "." + node.text;
        return;
      case NodeKind::call: return call(node);
      case NodeKind::subscript: return subscript(node);
      case NodeKind::unary: return unary(node, place);
      case NodeKind::binary: return binary(node, place);
      case NodeKind::list: return enclosed('[', node, ']');
      case NodeKind::set: return enclosed('{', node, '}');
      case NodeKind::tuple: return enclosed('(', node, ')');
      case NodeKind::dict: return dict(node);
      case NodeKind::slice: return slice(node);
      case NodeKind::starred:
        out += "*";
        write(node.children[0]);
        return;
      case NodeKind::absent: return;
    }
  }

 private:
  void constant(const PyNode& node, int place) {
    const PyValue& v = node.value;
    if (node.text == "...") out += node.text;
    else if (v.is(PyValue::Kind::text)) append_python_str_repr(out, v.text);
    else if (v.is(PyValue::Kind::integer) && !v.text.empty()) out += v.text;
    else if (v.is(PyValue::Kind::real) && std::isinf(v.number)) out += "1e309";
    else if (v.is(PyValue::Kind::other)) out += node.text;
    else out += python_repr(to_json(v));
    // "1 .real": the point would belong to the number.
    if (place == kPyAtomPrecedence && v.is(PyValue::Kind::integer)) out += ' ';
  }

  void items(const std::vector<PyNode>& nodes, size_t first) {
    for (size_t i = first; i < nodes.size(); ++i) {
      if (i > first) out += ", ";
      write(nodes[i]);
    }
  }

  void enclosed(char open, const PyNode& node, char close) {
    out += open;
    items(node.children, 0);
    if (node.kind == NodeKind::tuple && node.children.size() == 1) out += ',';
    out += close;
  }

  void call(const PyNode& node) {
    write(node.children[0], kPyAtomPrecedence);
    out += '(';
    items(node.children, 1);
    bool first = node.children.size() == 1;
    for (const PyNode::Keyword& keyword : node.keywords) {
      if (!first) out += ", ";
      first = false;
      out += keyword.name.empty() ? "**" : keyword.name + "=";
      write(keyword.value);
    }
    out += ')';
  }

  void subscript(const PyNode& node) {
    write(node.children[0], kPyAtomPrecedence);
    out += '[';
    const PyNode& index = node.children[1];
    if (index.kind == NodeKind::tuple && !index.children.empty()) {
      items(index.children, 0);
      if (index.children.size() == 1) out += ',';
    } else {
      write(index);
    }
    out += ']';
  }

  void unary(const PyNode& node, int place) {
    bool word = node.text == "not";
    int own = word ? 0 : kPyUnaryPrecedence;
    bool parens = place > own;
    if (parens) out += '(';
    out += node.text;
    if (word) out += ' ';
    write(node.children[0], own);
    if (parens) out += ')';
  }

  void binary(const PyNode& node, int place) {
    int own = python_precedence(node.text);
    bool power = node.text == "**", parens = place > own;
    if (parens) out += '(';
    write(node.children[0], power ? own + 1 : own);
    out += " " + node.text + " ";
    write(node.children[1], power ? own : own + 1);
    if (parens) out += ')';
  }

  void dict(const PyNode& node) {
    out += '{';
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      if (i > 0) out += ", ";
      if (node.children[i].kind == NodeKind::starred) {
        out += "**";
      } else {
        write(node.children[i]);
        out += ": ";
      }
      write(node.children[i + 1]);
    }
    out += '}';
  }

  void slice(const PyNode& node) {
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i == 1 || (i == 2 && node.children[2].kind != NodeKind::absent)) out += ':';
      write(node.children[i]);
    }
  }
};

}  // namespace

std::string python_source(const PyNode& node) {
  SourceWriter writer;
  writer.write(node);
  return std::move(writer.out);
}

}  // namespace qeval
