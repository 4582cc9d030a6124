#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/text/python_call.h"

// Internal to text/: the syntax tree behind read_python_calls.
namespace qeval {

struct PyNode {
  enum class Kind {
    constant,    // value
    name,        // text
    attribute,   // children[0] . text
    call,        // children[0] is called, the rest are positional; keywords
    subscript,   // children[0] [children[1]]
    unary,       // text children[0]
    binary,      // children[0] text children[1]
    list, tuple, set,
    dict,        // key, value, key, value …; a `starred` key with `**`
    slice,       // up to three children, `absent` where left out
    starred,     // * children[0]
    absent,
  };
  struct Keyword;
  Kind kind = Kind::absent;
  std::string text;
  PyValue value;
  std::vector<PyNode> children;
  std::vector<Keyword> keywords;
  size_t offset = 0;

  PyNode();
  PyNode(Kind k, size_t at);
  PyNode(const PyNode&);
  PyNode(PyNode&&) noexcept;
  PyNode& operator=(const PyNode&);
  PyNode& operator=(PyNode&&) noexcept;
  ~PyNode();
};
struct PyNode::Keyword {
  std::string name;  // "" for **x
  PyNode value;
};
// Here, where the vectors' elements are complete.
inline PyNode::PyNode() = default;
inline PyNode::PyNode(Kind k, size_t at) : kind(k), offset(at) {}
inline PyNode::PyNode(const PyNode&) = default;
inline PyNode::PyNode(PyNode&&) noexcept = default;
inline PyNode& PyNode::operator=(const PyNode&) = default;
inline PyNode& PyNode::operator=(PyNode&&) noexcept = default;
inline PyNode::~PyNode() = default;

inline tl::unexpected<PyCallFault> refuse(const PyNode& node, std::string message) {
  return tl::unexpected(PyCallFault{std::move(message), node.offset, false, false});
}
tl::expected<PyNode, PyCallFault> parse_python_expression(std::string_view text);
// ast.unparse.
std::string python_source(const PyNode& node);
// Works out literals joined by operators. Fault: anything else in it, or what Python would raise.
tl::expected<PyValue, PyCallFault> python_arithmetic(const PyNode& node);

// Binding strength of a binary operator, 0 for no operator; ** binds strongest.
int python_precedence(std::string_view op);
inline constexpr int kPyUnaryPrecedence = 7, kPyPowerPrecedence = 8, kPyAtomPrecedence = 9;

}  // namespace qeval
