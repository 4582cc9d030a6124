#pragma once

#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// An installation of the benchmark's package bfcl-eval with what its multi-turn tools import.
struct BfclPackage {
  std::string python;                 // the interpreter that found it
  std::string python_version;         // 3.11.7
  std::string version;                // of bfcl-eval
  std::vector<std::string> packages;  // real paths of the packages, theirs and those that they import
};

// `wanted`: an interpreter, or the folder of a virtual environment; "" = python3 of PATH. Imports the package there, as
// the user has it. Error (environment): what is missing, and the line that installs it.
Result<BfclPackage> find_bfcl_package(const std::string& wanted);

// Modules that every multi-turn program imports.
const std::vector<std::string>& bfcl_modules();

}  // namespace qeval
