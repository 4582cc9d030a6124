#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "qeval/sandbox/sandbox.h"

namespace qeval::sandbox_test {

inline const std::vector<std::string> kBackendKeys = {"namespaces", "namespaces-once", "landlock"};

// "-" is not allowed in a test's name.
std::string test_name(const testing::TestParamInfo<std::string>& param);
// null where this machine lacks the back end; `why` says so.
std::unique_ptr<Sandbox> open_or_null(const std::string& key, int n_workers, std::string& why);
// Runs the tests of `filter` again as an ordinary user. Exit code, or -1 with `why` where it cannot be done here.
int run_as_ordinary_user(const std::string& filter, std::string& why);
SandboxLimits quick_limits();
// "": absent.
std::string data_file(const std::string& relative);

}  // namespace qeval::sandbox_test
