#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// Python's `re` semantics over PCRE2 (UTF, UCP). Steps, memory and the CPU time of one operation (4 s) are limited, so
// hostile input ends with an error (bad_input) instead of hanging. A subject that is no UTF-8 is read as valid_utf8()
// makes it, and offsets count in that.
// Immutable and thread-safe after compile.
class Regex {
 public:
  struct Options { bool ignore_case = false; bool dot_all = false; bool multiline = false; };
  // `pattern` in Python syntax (\Z, (?P<n>…), inline flags). Error: bad_input with offset and what was expected. Python's 3.11 rules decide what is valid, but for
  // look-behind: alternatives of different lengths are accepted.
  static Result<Regex> compile(std::string_view pattern, Options options);
  static Result<Regex> compile(std::string_view pattern) { return compile(pattern, Options{}); }

  struct Match {
    size_t begin = 0, end = 0;                       // bytes
    std::vector<std::optional<std::string>> groups;  // [0] is the whole match
  };
  Result<std::optional<Match>> search(std::string_view subject, size_t from = 0) const;
  Result<std::optional<Match>> match(std::string_view subject) const;      // anchored at the start, as re.match
  // re.findall: per match the tuple of groups; no groups → one element, the whole match; unmatched groups are "".
  Result<std::vector<std::vector<std::string>>> findall(std::string_view subject) const;
  // re.sub with Python's \1, \g<name> in the replacement; count 0 = all.
  Result<std::string> sub(std::string_view replacement, std::string_view subject, int count = 0) const;
  Result<std::vector<std::string>> split(std::string_view subject) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace qeval
