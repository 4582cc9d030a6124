#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Synthetic documents whose right answers are known by construction: made from integers and fixed words alone, so that
// the same arguments give the same bytes on every machine. The documents of a smaller `n` are the first ones of a
// larger `n`, and no two questions of one call are the same.
//
//   arithmetic  {id, level, question, answer}: a story of several steps; `answer` is worked out and ends "#### N"
//   choice      {id, level, kind, question, choices {text, label}, answerKey, distractors}: four options; each wrong
//   one
//               is a known mistake, named in `distractors` ("" for the right one); the right position is balanced
//   python      {task_id, level, prompt, canonical_solution, test, entry_point}: HumanEval's fields
//   format      {id, level, kind, instruction, target}: one exact line
//   json_schema {id, level, question, schema, target, messages}: a JSON document for a schema (nested objects, lists,
//               enums, bounds; escapes and more than ASCII from level 3 on) and facts; `target` is the document
//
// Raised when any generator's output changes: the tasks' versions rise with it.
inline constexpr int kSynthVersion = 1;

struct SynthGenerator {
  std::string name, description;
};
const std::vector<SynthGenerator>& synth_generators();

// `level` is 1 (easy) to 5 (hard), or 0 for all five in turn. 1 <= n <= 100,000. Thread-safe.
// Errors (bad_input): an unknown name, a level or n out of range, or more questions than the level has.
Result<std::vector<Json>> generate(const std::string& name, int level, int64_t n, uint64_t seed);

}  // namespace qeval
