#pragma once

#include <functional>

#include "qeval/runner/selfcheck.h"
#include "qeval/scorer/scorer.h"

namespace qeval {

// Proves an agent task: agents that are no model go through the task's own prompts, loop and scorer. Gold succeeds
// everywhere, without an invalid call or a needless write; an agent that says nothing, or "Done.", succeeds exactly
// where nothing is to be done; gold without its last call, and gold with one needless change, fail; the do-nothing and
// random agents reach the scores that the task publishes (metadata: baselines).
Status check_agent_task(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer,
                        const std::function<void(SelfcheckItem)>& add);

}  // namespace qeval
