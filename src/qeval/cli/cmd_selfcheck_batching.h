#pragma once

#include <string>
#include <vector>

#include "qeval/cli/command.h"

namespace qeval {

struct BatchingOptions {
  CommonOptions common;
  std::string model, preset = "balanced", tasks = "arc_challenge,gsm8k";
  std::vector<std::string> settings;
  int64_t limit = 20;
};
// `qeval selfcheck --batching`: prints what full batches change. 1 where a request failed.
Result<int> selfcheck_batching(const BatchingOptions& options);

}  // namespace qeval
