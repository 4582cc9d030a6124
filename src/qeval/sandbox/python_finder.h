#pragma once

#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// An interpreter and the files that it needs to run, all as real paths.
struct PythonInstallation {
  std::string executable;             // a binary, never a pyenv shim
  std::string version;                // 3.11.2
  std::vector<std::string> folders;   // standard library, extension modules, shared libraries; none lies in another
  std::vector<std::pair<std::string, std::string>> links;  // symbolic links such as /lib64 -> usr/lib64 (path, target)
};

// `wanted`: a path or a name in PATH; "" = /usr/bin/python3, else python3 of PATH. At least 3.8.
// Error (environment): what was tried and how to get one.
Result<PythonInstallation> find_python(const std::string& wanted = "");

}  // namespace qeval
