#pragma once

#include <functional>

#include "qeval/runner/selfcheck.h"
#include "qeval/scorer/scorer.h"

namespace qeval {

// Proves a task whose user speaks several times and whose calls a benchmark's own code carries out: planted answers go
// through the task's prompts, loop and scorer. The answer's calls are right everywhere; silence is wrong everywhere, and so
// are, with `variants`, the answer's calls without those of the last turn that has any; a call that cannot be read is
// classed as such; a turn without an end as step_limit. Error (environment): the tools failed.
Status check_user_turns_task(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer, OutsideTools& tools,
                             bool variants, const std::function<void(SelfcheckItem)>& add);

}  // namespace qeval
