#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/scorer/code_extract.h"
#include "qeval/scorer/filter.h"
#include "qeval/scorer/metric.h"
#include "qeval/util/result.h"

namespace qeval {

// Scores answers that are Python by running them with the doc's tests (humaneval, mbpp).
// scorer_options: {"extract": "raw" | "fence_cut" | "first_fence", "prepend_prompt": bool, "timeout_s": 3.0}; extract
// and prepend_prompt default to what the pipeline's custom filter of that task does in lm-eval. program =
// (doc["prompt"] if prepend_prompt) + code + "\n" + target; sample.target is the test program. Line ends are left as
// they are: Python reads CRLF. pass@k over the repeats; the class is that of the first repeat, unless all pass. Classes
// beside text_class.h's:
//   passed correct · failed test_failed · runtime_error, output_limit, exited runtime_error · time_out · memory_limit ·
//   infrastructure sandbox_failure (no metric);
//   of an answer that did not pass and was cut by the token limit: truncated (time and memory keep their class);
//   code_fence: the same answer without fences or chat text passes, or compiles where it did not;
//   unterminated_string: Python says so; stopped_mid_answer: a stop string ended it and Python misses the end.
class PythonTests {
 public:
  // Error (bad_input): file and key; (environment) no sandbox. `sandbox` must outlive this.
  static Result<PythonTests> compile(const TaskSpec& spec, const std::vector<Metric>& metrics, Sandbox* sandbox);
  // One score per pipeline. Thread-safe.
  std::vector<Score> score(const Sample& sample, const std::vector<Response>& responses) const;

 private:
  struct Pipeline {
    std::string name;
    FilterChain before;  // the steps beside the code hook; identity where there are none
    bool has_before = false;
    CodeExtract extract = CodeExtract::raw;
    bool prepend_prompt = false;
  };
  struct Attempt {
    std::string answer, code;
    ProgramRun run;
    FailureClass failure_class = FailureClass::wrong_answer;
    std::string explanation;
  };
  Score score_pipeline(const Pipeline& pipeline, const Sample& sample, const std::vector<Response>& responses) const;
  Attempt attempt(const Pipeline& pipeline, const Sample& sample, const Response& response) const;
  bool hides_code(const Pipeline& pipeline, const Sample& sample, const Attempt& attempt) const;
  ProgramRun run(const std::string& program) const;

  ScoringSpec scoring_;
  std::vector<Metric> metrics_;
  std::vector<Pipeline> pipelines_;
  SandboxLimits limits_;
  Sandbox* sandbox_ = nullptr;
};

}  // namespace qeval
