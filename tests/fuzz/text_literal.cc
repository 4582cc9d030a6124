#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/text/python_literal.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

// What literal_eval reads, repr writes and literal_eval reads again as the same; text helpers take any bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view in(reinterpret_cast<const char*>(data), size);
  if (auto value = qeval::python_literal_eval(in)) {
    std::string repr = qeval::python_repr(*value);
    // Beyond the range of double a literal is inf, whose repr is no literal.
    if (repr.find("inf") == std::string::npos) {
      auto again = qeval::python_literal_eval(repr);
      if (!again || qeval::python_repr(*again) != repr) std::abort();
    }
  }
  std::string clean = qeval::valid_utf8(in);
  if (qeval::n_code_points(clean) != qeval::n_code_points(in)) std::abort();
  if (qeval::to_utf8(qeval::code_points(in)) != clean) std::abort();
  std::string shown = qeval::printable(in);
  for (unsigned char c : shown)
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) std::abort();
  (void)qeval::py_title(qeval::py_lower(in));
  (void)qeval::py_capitalize(qeval::py_upper(in));
  std::string cell = qeval::escape_markdown_cell(std::string(in));
  if (cell.find('\n') != std::string::npos) std::abort();
  (void)qeval::Table{{"h"}, {}, {{std::string(in)}}}.terminal();
  return 0;
}
