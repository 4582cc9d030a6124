#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// Scores answers that have to be one JSON document valid against the doc's schema, and nothing else.
// scorer_options: {"schema": column of the doc that holds the JSON Schema, "schema" by default}. Metrics: schema_valid;
// exact_match = the document also equals the target (as values: order of keys and 1 or 1.0 do not matter). Over repeats
// the share; the class is that of the first response and speaks of the schema, a valid document with other facts is
// explained. Classes: unterminated_string, invalid_json, code_fence, surrounding_text, prose, truncated,
// schema_violation.
class JsonAnswers {
 public:
  static Result<JsonAnswers> compile(const TaskSpec& spec);
  Score score(const Sample& sample, const std::vector<Response>& responses) const;  // thread-safe

 private:
  ScoringSpec scoring_;
  std::string column_;
};

}  // namespace qeval
