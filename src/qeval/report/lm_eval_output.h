#pragma once

#include <string>
#include <vector>

#include "qeval/store/store.h"
#include "qeval/util/result.h"

namespace qeval {

// results_<iso>.json and samples_<task>_<iso>.jsonl of one run, with lm-evaluation-harness's file and key names, in
// FOLDER/<model name>/. Returns the paths. Samples are streamed: memory does not grow with the run.
Result<std::vector<std::string>> write_lm_eval_output(const Store& store, RunId run, const std::string& folder);

}  // namespace qeval
