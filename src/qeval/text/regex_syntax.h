#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/result.h"

// Internal to text/: a pattern in the syntax of Python's `re`, rewritten for PCRE2.
namespace qeval {

struct RegexSyntax {
  std::string pcre;                   // every group is numbered: names are resolved here
  std::map<std::string, int> names;
  int n_groups = 0;
  bool ignore_case = false, dot_all = false, multiline = false;  // given flags and leading inline flags
  bool has_possessive = false;        // a++, (…)*+
  bool ascii = false;                 // (?a): \w, \d, \s and case are ASCII only
};

// `verbose` and the flags come from (?x) and so on; errors name the offset in `pattern`.
Result<RegexSyntax> translate_python_regex(std::string_view pattern);

// Replacement of re.sub, taken apart: literal text, or the number of a group.
struct ReplacementPart {
  int group = -1;  // -1: literal
  std::string text;
};
Result<std::vector<ReplacementPart>> parse_python_replacement(std::string_view replacement, const RegexSyntax& syntax);

}  // namespace qeval
