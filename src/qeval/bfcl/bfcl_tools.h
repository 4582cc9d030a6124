#pragma once

#include <memory>
#include <string>

#include "qeval/tools/outside_tools.h"

namespace qeval {

struct BfclToolsOptions {
  std::string python;         // interpreter or virtual environment that has bfcl-eval; "" = python3 of PATH
  bool allow_unsafe = false;  // --unsafe-code
  std::string force_backend;  // as SandboxOptions
};

// The multi-turn tools of the Berkeley Function-Calling Leaderboard: classes and checker of the package bfcl-eval, in a
// sandbox. The package is looked for when the first question comes, the sandbox opened with the first call.
std::unique_ptr<OutsideTools> make_bfcl_tools(const BfclToolsOptions& options);

}  // namespace qeval
