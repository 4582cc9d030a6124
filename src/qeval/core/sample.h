#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/failure_class.h"
#include "qeval/core/request.h"
#include "qeval/util/json.h"

namespace qeval {

// One doc of a task, with everything asked about it. Built by task/, consumed by runner and scorer.
struct Sample {
  int64_t doc_id = 0;                  // index in the evaluation split, as lm-eval counts
  Json doc;                            // after process_docs
  std::string doc_hash;                // sha256 as lm-eval computes it where possible
  std::string target;                  // doc_to_target rendered; for code tasks the test program
  std::vector<std::string> references; // more than one accepted target (multiple_target); else {target}
  std::vector<std::string> choices;    // multiple choice: texts without the delimiter
  std::vector<int> gold;               // indices of right choices; several where the doc says so
  bool multiple_inputs = false;        // contexts vary, the continuation is shared (winogrande)
  // multiple_choice: request i asks choice i; with acc_mutual_info n more follow with an empty context.
  // loglikelihood, rolling, generate_until: one request per repeat.
  std::vector<Request> requests;
};

// One filter's verdict on one sample.
struct Score {
  std::string filter = "none";
  std::string extracted;                                   // what the filter found; choice text for multiple choice
  FailureClass failure_class = FailureClass::wrong_answer;
  std::string explanation;                                 // last lines of a traceback, the reason of a suspicion …
  std::vector<std::pair<std::string, double>> metrics;     // empty for infrastructure failures
  Json details;                                            // scorer's own (back end, exit, perplexity weights); may be null
};

}  // namespace qeval
