#pragma once

#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Documents of BFCL v4 (id, question, function, ground_truth) made ready to be asked, as its package does:
//   messages   the first turn's
//   docs       the functions with the language's hint; Java's and JavaScript's parameters are texts that hold literals
//   tools      the same as an OpenAI tool list: JSON Schema types, '_' for '.' in names
//   gold       a right answer in the model's own call syntax, for selfcheck and for people
// `function` and `ground_truth` stay, for the checker. Error (bad_input): a doc without questions or functions.
Result<std::vector<Json>> bfcl_docs(std::vector<Json> docs);

// Documents of its multi-turn categories (id, question, initial_config, involved_classes, function, missed_function,
// ground_truth) in the form of agent/user_turns.h.
Result<std::vector<Json>> bfcl_multi_turn_docs(std::vector<Json> docs);

}  // namespace qeval
