#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_summary.h"
#include "qeval/judge/judge_task.h"
#include "qeval/stats/intervals.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"

namespace qeval {

// Who judged, and how far to trust it. Stored with a score as TaskSummary::judge.
struct JudgeIdentity {
  std::string model;          // as people know it: HF id or the file's own name, with the quantisation
  std::string weights_key;    // "sha256", or "declared:…"
  std::string engine;         // name and version
  std::string prompts_sha256;
  RunId run = 0;              // the judge's own run
  bool same_family = false;   // judge and judged are of one family
  std::string check;          // what `qeval judge --check` found about this judge, "" = not checked
};

// Families by name: "Qwen/Qwen2.5-7B-Instruct" → "qwen", so that a judge of the same family is said. "" = unknown.
std::string model_family(const std::string& hf_id, const std::string& name, const std::string& architecture);

// What the judge's answers say about one answered question.
struct RatedQuestion {
  int64_t doc_id = 0;
  std::map<std::pair<int, int>, double> ratings;  // by repeat and turn (1-based)
  int n_unreadable = 0, n_failed = 0;             // turns without a rating: the judge's text, or its engine
  std::vector<int64_t> judge_docs;
};

struct Ratings {
  std::map<int64_t, RatedQuestion> questions;     // by doc id
  int64_t n_asked = 0, n_unreadable = 0, n_failed = 0;
  int64_t n_again = 0, n_again_equal = 0;         // asked twice, and rated the same
  double again_difference = 0;                    // mean absolute difference of those
  std::map<std::string, std::vector<double>> by_category;
};
// From the scores of the judge's own run.
Result<Ratings> collect_ratings(const Store& store, RunId judge_run);

// The score of an answered question: rating and rating_turn_N with their counts (judged.h); class no_rating where no
// turn was rated; `form` (the score before) keeps what was wrong with the answer's form.
Score rated_score(const RatedQuestion& rated, const Score& form, const JudgeIdentity& judge);

// {model, engine, weights_key, prompts_sha256, judge_run, n_asked, n_unreadable, …, categories}.
Json judge_json(const Ratings& ratings, const JudgeIdentity& judge);
// The same in one line for tables and the tracker.
std::string judge_text(const Json& judge);

// Outcome of a comparison in both orders: "first", "second", or "tie" where the orders disagree; "" unreadable.
struct PairResult {
  int64_t n = 0, n_first = 0, n_second = 0, n_tie = 0;  // of pairs with both orders readable
  int64_t n_disagree = 0;                               // orders gave different winners: counted as ties
  int64_t n_first_position = 0;                         // of those, how often the first position won both times
  int64_t n_unreadable = 0;                             // comparisons without a verdict
  double win_rate = 0;                                  // (wins + ties/2) / n of the first run
  Interval interval;                                    // 95 %, by question
};
Result<PairResult> collect_pairs(const Store& store, RunId judge_run);
Json to_json(const PairResult& result);

}  // namespace qeval
