#include "qeval/task/doc_hash.h"

#include <fmt/format.h>

#include <cmath>

#include "qeval/text/python_literal.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return python_float_repr(value);
}

void write_string(const std::string& text, std::string& out) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", c);
        else out += c;
    }
  }
  out += '"';
}

// Depth is bounded by parse_json and parse_yaml.
void write(const Json& value, size_t indent, std::string& out) {
  if (value.is_string()) return write_string(value.get_ref<const std::string&>(), out);
  if (value.is_number_float()) {
    out += number_text(value.get<double>());
    return;
  }
  if (!value.is_structured()) {
    out += value.dump();
    return;
  }
  bool object = value.is_object();
  out += object ? '{' : '[';
  bool first = true;
  for (auto it = value.begin(); it != value.end(); ++it) {
    out += first ? "\n" : ",\n";
    first = false;
    out.append(indent + 2, ' ');
    if (object) {
      write_string(it.key(), out);
      out += ": ";
    }
    write(*it, indent + 2, out);
  }
  if (!first) out.append("\n").append(indent, ' ');
  out += object ? '}' : ']';
}

}  // namespace

std::string python_json(const Json& value) {
  std::string out;
  write(value, 0, out);
  return out;
}

std::string doc_hash(const Json& doc) { return sha256_hex(python_json(doc)); }

}  // namespace qeval
