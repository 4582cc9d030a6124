#pragma once

#include <vector>

#include "qeval/tools/ast_check.h"

namespace qeval {

// A right answer made from BFCL's accepted values: of each parameter the first that is given, none where only "" is;
// Java and JavaScript values written as literals of their declared type. For selfcheck.
std::vector<Call> gold_calls(CallLanguage language, const Json& functions, const Json& accepted, bool underscored_names);

}  // namespace qeval
