#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/scorer/exact_match.h"
#include "qeval/util/result.h"

namespace qeval {

enum class MetricKind {
  acc,
  acc_norm,
  acc_bytes,
  acc_mutual_info,
  mc2,
  choice_exact_match,
  f1,
  mcc,
  brier_score,
  likelihood,  // multiple choice
  greedy,
  perplexity,  // loglikelihood
  word_perplexity,
  byte_perplexity,
  bits_per_byte,  // loglikelihood_rolling
  exact_match,
  pass_at_k,  // generate_until
  own,     // generate_until: made by the task's own scorer
  agent,      // generate_until: of a conversation with tools
  rating,     // generate_until: what a judge gave, 1 to 10
  judgement,  // generate_until: what a judge said, readable or not
  followed,   // generate_until: instructions followed
  bypass,
};

enum class Aggregation {
  mean,
  nanmean,
  median,
  perplexity,
  weighted_perplexity,
  weighted_mean,  // sum of the docs' sums over sum of their counts
  bits_per_byte,
  f1,
  matthews_corrcoef,
  bypass,
};

// One number of a task, as its results name it.
struct Metric {
  std::string name;
  MetricKind kind = MetricKind::acc;
  Aggregation aggregation = Aggregation::mean;
  bool higher_is_better = true;
  int64_t k = 1;                                  // pass_at_k
  std::shared_ptr<const ExactMatch> exact_match;  // exact_match
};

// Metrics that a scorer makes itself, the primary one first; null for a scorer that has none.
const std::vector<std::string>* own_metrics(const std::string& scorer);

// The task's metrics; lm-eval's defaults of the output type where it lists none. A pass@k with several k becomes one
// each. Error (bad_input) names file, metric, key: unknown for this output type, unknown option or aggregation.
Result<std::vector<Metric>> compile_metrics(const TaskSpec& spec);

// Values of one multiple-choice doc under every metric of the list.
struct ChoiceScore {
  int prediction = 0;       // argmax of the log-likelihoods; the first of equals; -1 where there is no choice
  int prediction_norm = 0;  // divided by code points
  bool degenerate = false;  // all equal or not finite: no ranking
  std::vector<std::pair<std::string, double>> metrics;
  Json pairs;  // of f1 and mcc: {name: [gold, prediction]}, null where neither is asked
};
// `conditional` aligned with the choices; `unconditional` too, or empty. Both finished responses.
//   acc = argmax(ll); acc_norm = argmax(ll / code points of the choice); acc_bytes = argmax(ll / UTF-8 bytes);
//   acc_mutual_info = argmax(ll - ll without context); exact_match = a right choice is greedy;
//   mc2 = sum exp(ll of right choices) / sum exp(ll); brier_score = sum (softmax(ll) - one-hot)^2;
//   likelihood = sum exp(ll of right choices). Several right choices: any counts. Source: lm-eval.
ChoiceScore score_choices(const std::vector<Metric>& metrics, const Sample& sample,
                          const std::vector<Response>& conditional, const std::vector<Response>& unconditional);

// As numpy.argmax: first of the largest, a NaN is larger than all. -1 for an empty list.
int numpy_argmax(const std::vector<double>& values);
// Python's len(re.split(r"\s+", text)).
int64_t n_split_words(std::string_view text);

// F1 of class 1 and Matthews' correlation (several classes: Gorodkin (2004)) from (gold, prediction) pairs. 0 where the
// denominator is 0, as scikit-learn.
double f1_of_pairs(const std::vector<std::pair<int64_t, int64_t>>& pairs);
double matthews_of_pairs(const std::vector<std::pair<int64_t, int64_t>>& pairs);

}  // namespace qeval
