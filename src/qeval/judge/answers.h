#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qeval/core/task_spec.h"
#include "qeval/store/store.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// One answered question, as a judge sees it.
struct AnsweredQuestion {
  int64_t doc_id = 0;
  int repeat = 0;
  Json doc;                              // question_id, category, turns, reference_answers (or null)
  std::vector<std::string> turns;        // the user's messages
  std::vector<std::string> references;   // a right answer per turn, or empty
  std::vector<std::string> answers;      // one per turn
  std::string category() const { return json_string(doc, "category"); }
};

struct RunAnswers {
  std::string task;
  std::vector<AnsweredQuestion> questions;  // by doc, then repeat
  int64_t n_missing = 0;                    // not answered in full (interrupted, or an engine failure)
};
// Answers of the run's task that waits for a judge. Error (bad_input): the run has no such task.
Result<RunAnswers> read_answers(const Store& store, RunId run);

// Whether a task of the run is one that a judge rates: its stored config has the metric "rating".
bool is_judged_task(const TaskRecord& task);

}  // namespace qeval
