#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/tools/outside_tools.h"
#include "qeval/util/result.h"

namespace qeval {

// Raise when any verdict or class can change; scores carry it and rescore compares by it.
inline constexpr int kScorerVersion = 1;

// Scores samples of one task. Thread-safe: score() may run on several threads.
// Classes of generated text: text_class.h; of code: python_tests.h. Multiple choice: degenerate where the
// log-likelihoods are all equal or not finite, else correct or wrong_answer by the primary metric (of mc2: over one
// half). loglikelihood: correct where the continuation is greedy. Rolling: correct, there is nothing to get wrong.
// Score::details: "prediction", "prediction_norm" (multiple choice); "weighted": {metric: [nats, units]} (rolling);
// "pairs": {metric: [gold, prediction]} (f1, mcc); "backend", "verdicts" (code); "engine_failure".
class Scorer {
 public:
  virtual ~Scorer() = default;
  // One Score per filter pipeline, in the spec's order. `responses` aligned with sample.requests.
  // Never fails: infrastructure faults become engine_failure or sandbox_failure scores, which hold no metrics.
  virtual std::vector<Score> score(const Sample& sample, const std::vector<Response>& responses) const = 0;
  virtual std::string backend() const = 0;  // sandbox back end, or ""
};

// Compiles filters and metrics. Error (bad_input): file, key, what is not supported. `sandbox` may be null where the
// task runs no code, `tools` where its calls are not carried out by a benchmark's own code (else: environment); they must
// outlive the scorer. Scorers by name: "" and python_tests; mc2
// (= truthfulqa_mc2, process_results_mc2), which makes `acc` the share of probability on right choices;
// function_calls; json_schema; agent (agent_score.h); judge (judged.h); ifeval (ifeval.h); user_turns
// (user_turns_score.h).
Result<std::unique_ptr<Scorer>> make_scorer(const TaskSpec& spec, Sandbox* sandbox, OutsideTools* tools = nullptr);

// Whether scoring the task runs model-written code, so that make_scorer needs a sandbox.
bool runs_code(const TaskSpec& spec);

// Aggregates; `scores[i]` are sample i's scores (all filters). The same bits for any order of the samples. In the order
// of the spec's filters, then metrics. Infrastructure failures are left out of value, error and interval; the bounds
// count them as 0 and as 1 (NaN for metrics that are no mean of values between 0 and 1).
// Errors: of a mean sd/sqrt(n); of the others by bootstrap (1000 resamples, fixed seed). NaN for fewer than 2 samples.
// Intervals: Wilson where every value is 0 or 1, clipped normal for other means in [0, 1], else bootstrap percentiles.
std::vector<MetricSummary> summarise(const TaskSpec& spec, const std::vector<std::vector<Score>>& scores);

// By filter, how often each class occurs, most frequent first (equal: lower number), with up to `n_examples` doc ids in
// ascending order. `doc_ids` aligned with `scores`; empty = the index.
std::map<std::string, std::vector<ClassCount>> class_counts(const std::vector<std::vector<Score>>& scores,
                                                            const std::vector<int64_t>& doc_ids = {},
                                                            size_t n_examples = 5);

// {metric, filter} that stand for the task: the config's metadata primary_metric and primary_filter where given, else
// acc_norm where listed or the first metric, and the first filter. {"", ""} where the metrics do not compile.
std::pair<std::string, std::string> primary_metric(const TaskSpec& spec);

}  // namespace qeval
