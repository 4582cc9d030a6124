#pragma once

#include <string>
#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/judge/judge_task.h"
#include "qeval/judge/planted.h"
#include "qeval/judge/verdicts.h"
#include "qeval/runner/run.h"

namespace qeval {

// A judge: everything that a run of it needs but the questions. `services.tasks` is ignored.
struct Judge {
  RunPlan plan;            // model, engine, preset resolved; tasks and suite are set here
  RunServices services;
  JudgePrompts prompts;
};

// Each asks the judge in a run of its own (suite "judge"), stored, resumed and reused like any other; the same call
// again computes nothing. Errors: bad input, a judge that cannot start.

struct RatingOutcome {
  RunOutcome judge_run;
  TaskSummary summary;        // of the judged task, as it now stands in the judged run
  Ratings ratings;
  int64_t n_unanswered = 0;   // questions that the judged run has not answered in full
};
// Rates the answers of `run`, puts ratings and summary into it. `registry` knows the judged task; `n_again` turns are
// asked twice for self-agreement. Interrupted: nothing is put into it, and summary and ratings are empty.
Result<RatingOutcome> rate_run(Judge judge, RunId run, const TaskRegistry& registry, size_t n_again);

struct PairOutcome {
  RunOutcome judge_run;
  PairResult result;
  JudgeIdentity judge;
  int64_t n_unmatched = 0;
};
// Compares the answers of two runs in both orders; the outcome is kept as a text of the store.
Result<PairOutcome> compare_runs_by_judge(Judge judge, RunId first, RunId second);

struct CheckOutcome {
  RunOutcome judge_run;
  JudgeCheck check;
};
// Asks the planted pairs and remembers the outcome, so that later ratings by this judge carry it.
Result<CheckOutcome> check_judge(Judge judge);

}  // namespace qeval
