#pragma once

#include <string>
#include <vector>

#include "qeval/cli/run_options.h"

namespace qeval {

// One combination of the values that --vary gives.
struct Variant {
  std::string label;  // "temperature=0.7, max_num_seqs=8"
  RunOptions options;
};

// The cross product, the last KEY moving fastest; one unlabelled variant where nothing varies. Errors (usage) name the
// key, its value and what is known. At most 64 variants.
Result<std::vector<Variant>> variants_of(const RunOptions& options);

}  // namespace qeval
