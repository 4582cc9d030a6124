#pragma once

#include <string>
#include <vector>

#include "qeval/judge/judge_task.h"
#include "qeval/stats/intervals.h"

namespace qeval {

// Two answers to one question, of which it is known by construction which is better, or that they are equal.
struct PlantedPair {
  std::string id, question;
  std::string right, wrong;                // short
  std::string right_long, wrong_long;      // the same content in many words
};
// reference/judge/planted_pairs.yaml. Error: which pair lacks what.
Result<std::vector<PlantedPair>> shipped_planted_pairs();

// Comparisons in both orders: right against wrong in all four combinations of lengths, and every answer against itself.
// about: {pair, order, kind: right_wrong | same, right_long, wrong_long}.
Result<std::vector<JudgeQuestion>> planted_questions(const std::vector<PlantedPair>& pairs, const JudgePrompts& prompts);

struct Share {
  int64_t n = 0, hits = 0;
  double value() const { return n > 0 ? static_cast<double>(hits) / static_cast<double>(n) : 0; }
  Interval interval() const { return wilson_interval(hits, n); }
};

// What a judge does with the planted pairs.
struct JudgeCheck {
  int64_t n_asked = 0, n_unreadable = 0;
  Share right;                 // of all comparisons of right with wrong that have a verdict: the right one wins
  Share right_when_shorter, right_when_longer;  // the same where the right answer is the shorter, the longer one
  Share first_when_same;       // of equal answers that did not tie: the first position wins (0.5 = no bias)
  Share tie_when_same;         // equal answers called a tie
  Share consistent;            // of right/wrong pairs: both orders name the same winner
  std::string text() const;    // one line: "right in 83 % (n = 96) …"
};
Result<JudgeCheck> collect_check(const Store& store, RunId judge_run);
Json to_json(const JudgeCheck& check);

}  // namespace qeval
