#pragma once

#include <string>

#include "qeval/agent/episode.h"
#include "qeval/core/failure_class.h"

namespace qeval::agent {

struct Verdict {
  bool success = false;
  FailureClass failure_class = FailureClass::correct;
  std::string explanation;     // the first thing that is wrong, with place and value
  int n_calls = 0;             // readable or not
  int n_invalid_calls = 0;     // unreadable, unknown tool, arguments that the schema or the tool refuses as such
  int n_needless_writes = 0;   // changing calls that the gold trajectory does not make (same tool, same arguments)
  int n_steps = 0;
};

// Success: the conversation came to its end, nothing forbidden was done, the final state is one of the accepted ones and
// every required answer was given. Classes in that order of weight: forbidden_write, how the conversation ended
// (truncated, unfinished_thinking, invalid_calls, step_limit), no_call, wrong_state, missing_answer.
Verdict judge(const Json& doc, const EpisodeLog& log);

// "" where `actual` is `expected`, else where they differ first. Objects by keys in any order, lists in order, integers
// and other numbers by value. {"$any": true} stands for any value, {"$contains": [text]} for a text with these parts
// (case ignored).
std::string state_difference(const Json& expected, const Json& actual);

// Case and typographic apostrophes ignored; a part that begins or ends with a letter or digit must not go on with one
// there, so that 4 is not found in 42, 4.5 or 1,4.
bool says(const std::string& text, const std::string& part);

}  // namespace qeval::agent
