#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qeval {

size_t n_code_points(std::string_view utf8);            // an invalid sequence counts one, as U+FFFD
std::vector<uint32_t> code_points(std::string_view utf8);
std::string to_utf8(const std::vector<uint32_t>& points);
std::string valid_utf8(std::string_view bytes);         // invalid sequences become U+FFFD
std::string py_lower(std::string_view utf8);            // str.lower / upper / capitalize / title of Python
std::string py_upper(std::string_view utf8);
std::string py_capitalize(std::string_view utf8);
std::string py_title(std::string_view utf8);
// str.strip(chars) on code points; empty `chars` = Unicode whitespace as Python's str.strip().
std::string py_strip(std::string_view utf8, std::string_view chars = {});
std::string py_lstrip(std::string_view utf8, std::string_view chars = {});
std::string py_rstrip(std::string_view utf8, std::string_view chars = {});
bool py_is_space(uint32_t code_point);
// Terminal-safe: control characters and escape sequences shown as \x1b etc.; newline and tab kept.
std::string printable(std::string_view bytes);
size_t display_width(std::string_view utf8);            // columns on a terminal

}  // namespace qeval
