#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Internal to text/: decoding and Python's character classes.
namespace qeval {

struct Decoded {
  uint32_t code_point = 0xFFFD;
  uint8_t n_bytes = 1;  // of an invalid sequence: its longest prefix that could have begun a character
  bool valid = false;
};

// `at` < bytes.size(). Refuses overlong forms, surrogates and values beyond U+10FFFF.
Decoded decode_utf8(std::string_view bytes, size_t at);
void append_utf8(std::string& out, uint32_t code_point);  // surrogates and out of range become U+FFFD
void append_escape(std::string& out, uint32_t code_point);  // \x1b, \u202e, \U000e0001
bool is_valid_utf8(std::string_view bytes);
bool is_ascii(std::string_view bytes);

bool py_is_printable(uint32_t code_point);   // str.isprintable, which repr() follows
bool py_is_decimal(uint32_t code_point);
bool py_is_digit(uint32_t code_point);
bool py_is_numeric(uint32_t code_point);     // without the ideographic numerals
bool py_is_alpha(uint32_t code_point);
bool py_is_cased(uint32_t code_point);
bool py_is_upper(uint32_t code_point);
bool py_is_lower(uint32_t code_point);
bool py_is_title(uint32_t code_point);
bool py_is_line_break(uint32_t code_point);  // where str.splitlines() splits
bool py_is_identifier(std::string_view utf8);
int py_decimal_value(uint32_t code_point);   // 0..9, -1 where it is no decimal digit
std::string py_swapcase(std::string_view utf8);

}  // namespace qeval
