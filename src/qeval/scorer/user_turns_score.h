#pragma once

#include <vector>

#include "qeval/core/sample.h"
#include "qeval/tools/outside_tools.h"

namespace qeval {

// Scores conversations with several turns of the user (agent/user_turns.h), one a repeat, by the benchmark's own checker:
// after every turn the state of its classes and what the calls gave must be as after the answer's calls. A document is
// correct where every repeat is; else its class is that of the first one that is not:
//   wrong_state        the classes' state differs
//   missing_answer     no call so far gave what the answer's calls give
//   no_call, prose …   a turn in which calls were due has none; what its last answer is instead, where that is no call
//                      but looks like one (invalid_json, call_syntax …), or was cut (truncated, unfinished_thinking)
//   step_limit         a turn took more steps than the benchmark allows
//   truncated          the conversation no longer fits the context
//   time_out, memory_limit, runtime_error   a call did not come to its end
// Where the tools or their sandbox fail: sandbox_failure. Metric: acc. Details: "repeats": [{turns, steps, calls,
// calls_where_none_were_due, tokens, error}]. Calls in a turn whose answer has none are counted, and fail nothing by
// themselves: so it is in the package's scores.
Score score_user_turns(const Sample& sample, const std::vector<Response>& responses, OutsideTools& tools);

}  // namespace qeval
