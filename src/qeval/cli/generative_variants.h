#pragma once

#include "qeval/engine/engine.h"
#include "qeval/runner/run.h"
#include "qeval/task/task.h"

namespace qeval {

// Where the engine has no log-likelihoods, a task that needs them gives way to its generative variant (NAME_gen, or that
// of its family): another protocol, recorded under its own name and said on stderr. Tasks without one become pending
// with the reason. A task all of whose choices are single tokens stays where the engine can do those.
Status use_generative_variants(RunPlan& plan, const EngineCapabilities& can, bool is_instruct, const TaskRegistry& registry);

}  // namespace qeval
