#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/judge/verdicts.h"
#include "qeval/store/store.h"

namespace qeval {

// Who the judge of run `judge_run` is, seen from the run that it judged; `check` is read from what an earlier
// `qeval judge --check` of the same weights and prompts left in the store.
Result<JudgeIdentity> judge_identity(const Store& store, RunId judge_run, RunId judged_run, const std::string& prompts_sha256);

// The store's text under which the outcome of a check of this judge is kept.
std::string check_text_name(const std::string& weights_key, const std::string& prompts_sha256);

struct AppliedRatings {
  std::string task;
  std::vector<int64_t> doc_ids;
  std::vector<std::vector<Score>> scores;  // of every sample of the task, rated or not
  Json judge;                              // judge_json
};
// Puts the rated scores into the judged run; what was scored before is kept as an older version. A question without
// any judgement keeps its score. The caller writes the summary.
Result<AppliedRatings> apply_ratings(Store& store, RunId judged_run, const std::string& task, const Ratings& ratings,
                                     const JudgeIdentity& judge);

}  // namespace qeval
