#pragma once

#include <string>
#include <string_view>

// Internal to text/: repr of single values, shared by python_literal and the template engine.
namespace qeval {

void append_python_str_repr(std::string& out, std::string_view utf8);

}  // namespace qeval
