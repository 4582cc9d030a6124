#pragma once

#include <string>

#include "qeval/util/json.h"

namespace qeval {

// A Python program that does `request` with the package's classes and checker, and prints one line: kResultMark and a
// JSON object. `request`: {op: carry_out | judge | read_accepted, scenario, turns, accepted}, see OutsideTools. What the
// calls say is data to it: a name is looked up among the public methods of the scenario's classes, arguments go to
// the method as they are. A verdict other than "valid" ends it with a failed assertion, so that only the sandbox's own
// proof of a program's end makes a pass.
std::string bfcl_program(const Json& request);

inline constexpr const char* kResultMark = "qeval-result ";

}  // namespace qeval
