#pragma once

#include "qeval/cli/run_options.h"
#include "qeval/runner/run.h"
#include "qeval/task/task.h"

namespace qeval {

// What `--dry-run` shows: everything resolved, what would be asked, and from earlier runs of the same weights on the same
// engine and machine in the store the tokens and time to expect. Loads no model, writes nothing.
Result<Json> dry_run(const RunPlan& plan, const TaskRegistry& registry, const RunOptions& options);

}  // namespace qeval
