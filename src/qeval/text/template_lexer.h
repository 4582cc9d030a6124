#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/text/template_value.h"

// Internal to text/.
namespace qeval::jinja {

enum class TokenType {
  data,            // text between tags, white-space control applied
  variable_begin, variable_end, block_begin, block_end,
  name, string, integer, real, op,
  end,
};

struct Token {
  TokenType type;
  std::string text;  // data, names, operators; strings unescaped
  int line;
  Value value;       // integers and floats
};

// Throws TemplateError.
std::vector<Token> lex(std::string_view source);

}  // namespace qeval::jinja
