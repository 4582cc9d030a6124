#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval::agent {

// Raised when any generated document changes: the tasks' versions rise with it.
inline constexpr int kTasksVersion = 1;

// Documents of one world: the templates take turns, so that the first N hold all of them. The same arguments give the
// same bytes on every machine. Errors (bad_input): an unknown world, n out of 1 to 10,000.
//
//   {id, world, template, kind,        kind: regular, multi_turn, nothing_to_do, missing_tool, missing_argument,
//                                      tool_error, policy
//    state,                            of the world, at the start
//    user: [{say, answers: [{about: [keyword], say}], nudge}],
//    hidden_tools: [name],             not offered and not working
//    faults: [{tool, calls: [n], code, message}],   the n-th call (from 1) of this tool fails so; calls [] = all
//    ask_first,                        true: nothing may be changed before one of the user's answers was heard
//    accepted: [JSON Patch of state],  final states that count; values may be {"$any": true} or
//                                      {"$contains": [text]} (case ignored)
//    forbidden: [{tool, arguments}],   a successful call with these arguments (a subset) fails the task
//    required: [[text]],               of each list one must be said to the user
//    gold: [{calls: [{name, arguments}]} | {say}],  one right trajectory, a model turn each
//    max_steps}                        model turns
Result<std::vector<Json>> generate_tasks(const std::string& world, int64_t n, uint64_t seed);

// Checks a document that may come from a user's own file. Error (bad_input): the field and what was expected.
Status check_document(const Json& doc);

}  // namespace qeval::agent
