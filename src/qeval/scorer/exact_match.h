#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/text/regex.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// lm-eval's exact_match. Both sides go through, in this order: each of regexes_to_ignore (re.sub with ""), lower case,
// ASCII punctuation deleted, ASCII digits deleted; then they are compared. Immutable, thread-safe.
class ExactMatch {
 public:
  // Options: regexes_to_ignore, ignore_case, ignore_punctuation, ignore_numbers; all absent = plain equality.
  // Error (bad_input): unknown key, wrong type, bad pattern; messages begin with `place`.
  static Result<ExactMatch> compile(const Json& options, const std::string& place);
  // A pattern that gives up on hostile input leaves the text as it is.
  std::string normalised(std::string_view text) const;
  bool equal(std::string_view prediction, std::string_view reference) const;

 private:
  std::vector<Regex> regexes_to_ignore_;
  bool ignore_case_ = false, ignore_punctuation_ = false, ignore_numbers_ = false;
};

}  // namespace qeval
