#pragma once

#include <string>

#include "qeval/core/task_spec.h"
#include "qeval/task/task.h"
#include "qeval/util/result.h"

namespace qeval {

// What some scorers read beside the documents (IFEval: the sentence model and the language profiles of the original).
// Fills scorer_options["folder"] with the folder that holds it, below the data folder or the cache; leaves it out where
// the scorer needs none or it is not there.
void find_scorer_data(TaskSpec& spec, const TaskSources& sources);

// SHA-256 over the names and contents of that folder's files; "" where the scorer needs none. Error (bad_input): it is
// needed and not there; says where it was looked for and what fetches it.
Result<std::string> scorer_data_sha256(const TaskSpec& spec, const TaskSources& sources);

}  // namespace qeval
