#pragma once

#include <vector>

#include "qeval/core/sample.h"
#include "qeval/scorer/metric.h"

namespace qeval {

// Scores the conversations of one agent's task (agent/conversation.h), one a repeat; all must have come to an end, else
// the score is an engine_failure. A task counts as correct where every repeat succeeds; else its class is that of the
// first repeat that fails. Metrics of one task with n repeats, c of them successful:
//   success             c / n
//   pass^k              C(c, k) / C(n, k): that all of k repeats succeed
//   invalid_call_rate   invalid calls over calls, summed over the suite
//   needless_writes     changes that the gold trajectory does not make, a repeat
//   steps               model turns, a repeat
//   tokens_per_solved, seconds_per_solved   prompt and new tokens, and seconds from question to answer, of all repeats
//                       over the number of successful ones, summed over the suite (NaN where none is); of one task
//                       alone: what its repeats cost
// Details: "cluster" (the template), "kind", "episodes": [what happened in each repeat], "weighted".
Score score_agent(const std::vector<Metric>& metrics, const Sample& sample, const std::vector<Response>& responses);

// Whether `name` is one of them; "pass^k" stands for every power of two up to the repeats, and the repeats.
bool is_agent_metric(const std::string& name);
std::vector<int64_t> pass_powers(int64_t repeats);

}  // namespace qeval
