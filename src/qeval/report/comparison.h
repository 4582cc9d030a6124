#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/report/run_view.h"

namespace qeval {

// One task of one run. Pointers into views that outlive it.
struct Scored {
  const RunView* view = nullptr;
  const TaskSummary* task = nullptr;
};

// How a score moved from A to B.
struct ScoreMove {
  double difference = 0;  // B - A; paired: on the docs that both answered
  double p_value = 1;     // two-sided: McNemar (0/1 scores) or sign-flip where paired, else normal, unpaired
  bool paired = false;
  bool significant = false;            // after settle(): Holm at 5 % over the family
  int64_t n = 0;                       // common docs; unpaired: the smaller n
  int64_t n_only_a = 0, n_only_b = 0;  // paired: better in one alone
  bool binary = false;                 // paired: every score is 0 or 1
  double value_a = 0, value_b = 0;     // paired: means over the common docs
  double low = 0, high = 0;            // paired: 95 % interval of the difference, normal
  double p_adjusted = 1;               // after settle(): Holm over the family
  // Paired: smallest difference that would be found with 80 % power at 5 %, given how much the two disagree.
  double detectable = 0;
};

// Scores may be compared only if the question is the same: task, version, shots, chat template, metric and filter, and,
// where both are known, everything else that makes the prompt. Returns "" or what differs.
std::string what_differs(const Scored& a, const Scored& b);

// No value: nothing scored, or not comparable.
std::optional<ScoreMove> compare_scores(const Scored& a, const Scored& b);

// As compare_scores, for runs that were made to differ: shots, template and settings may. Task, version, data, metric and
// filter must be the same, and only paired docs count. Returns why not, or the move.
Result<ScoreMove> compare_paired(const Scored& a, const Scored& b);

// Decides `significant` for all moves that are shown together.
void settle(const std::vector<ScoreMove*>& family);

// "+3.2 points on 100 common docs (12 won, 9 lost), p = 0.66: within noise".
std::string move_text(const ScoreMove& move, const MetricSummary& scale);

}  // namespace qeval
