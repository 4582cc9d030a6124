#pragma once

#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/tools/ast_check.h"
#include "qeval/tools/parse_calls.h"
#include "qeval/util/result.h"

namespace qeval {

// Scores function calls as BFCL v4 does (tools/ast_check.h). scorer_options:
//   {"category": "simple" | "multiple" | "parallel" | "irrelevance" | "relevance", "language": "python" | …}
// irrelevance is right where nothing can be read as a call, relevance where something can. How the answer is read
// follows from how it was asked: a schema → JSON; tools in the prompt → the model's own syntax; else the language's
// call expressions. The doc holds `function` and, but for the last two categories, `ground_truth`. Over repeats acc is
// the share that is right; class and explanation are those of the first wrong one.
class FunctionCalls {
 public:
  // Error (bad_input): file and key.
  static Result<FunctionCalls> compile(const TaskSpec& spec);
  // Metric `acc`. Thread-safe.
  Score score(const Sample& sample, const std::vector<Response>& responses) const;

 private:
  struct Verdict {
    FailureClass failure_class = FailureClass::correct;
    std::string explanation, extracted;
  };
  Verdict judge(const Sample& sample, const Response& response) const;
  Verdict judge_relevance(const ParsedCalls& parsed, bool unfinished) const;

  ScoringSpec scoring_;
  std::string category_;
  AstCheck check_;
};

}  // namespace qeval
