#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/failure_class.h"
#include "qeval/util/json.h"

namespace qeval {

// One aggregated metric of one filter.
struct MetricSummary {
  std::string metric, filter = "none";
  double value = 0;
  double stderr_value = 0;               // sample sd / sqrt n, as lm-eval (bootstrap where it bootstraps); NaN = not defined
  double low = 0, high = 0;              // 95 %: Wilson for proportions, normal otherwise
  double bound_low = 0, bound_high = 0;  // with every infrastructure failure counted wrong / right
  int64_t n = 0;                         // scored samples
  int64_t n_infrastructure = 0;          // not scored
  bool is_proportion = false;
  bool higher_is_better = true;
};

struct ClassCount {
  FailureClass failure_class = FailureClass::correct;
  int64_t n = 0;
  std::vector<int64_t> example_doc_ids;  // the first few
};

// Why a score is not to be believed as it stands.
struct Flag {
  std::string kind;    // suspect, degenerate, out_of_line, infrastructure
  std::string reason;  // "interval reaches chance (25.0 %)"
  std::string cause;   // the likely cause, from the failure classes: "62 of 100 answers were cut by the token limit"
};

// A score that somebody published, with the settings that make it comparable.
struct PublishedScore {
  std::string hf_id;           // of the weights
  std::string task_family;     // gsm8k, arc_challenge … (TaskSpec::dataset_title)
  std::string task;            // exact task name where the protocol matches one of ours, else ""
  std::string metric, filter;  // where task is set
  int num_fewshot = -1;        // -1 = not stated
  std::optional<bool> chat_template;
  double value = 0;            // 0..1 (MT-Bench: 0..10)
  std::string source, settings;
};

struct PublishedMatch {
  PublishedScore published;
  bool in_line = true;         // |difference| within 2.58 combined standard errors, or its interval holds the value
};

// Everything that a report needs of one task of one run, written when the task ends.
struct TaskSummary {
  std::string task, version, title, category, protocol;   // protocol: "5-shot, raw, strict-match"
  std::string row;                                         // tracker's dataset row, "" = the title
  int num_fewshot = 0;
  bool chat_template = false;
  std::vector<MetricSummary> metrics;
  std::string primary_metric, primary_filter;              // which of `metrics` is "the score"
  std::map<std::string, std::vector<ClassCount>> classes;  // by filter
  std::vector<Flag> flags;
  std::optional<PublishedMatch> published;                 // settings match
  std::string selfcheck;                                   // "proven: gold 100 %, empty 0 %", or "not proven"
  std::string sandbox_backend, note;
  int64_t n_docs = 0, n_infrastructure = 0, n_reused = 0;
  int64_t n_prompt_tokens = 0, n_new_tokens = 0;
  double wall_s = 0;
  Json judge;                                              // who rated, and how far to trust it; null = nobody
  Json usage;                                              // the monitor's figures while its answers came: object or null

  const MetricSummary* primary() const;                    // null where the task has no metric yet
};

// System performance of one run, from responses decoded in it alone. nullopt = unmeasured.
struct RunPerformance {
  double wall_s = 0, decode_busy_s = 0;
  int64_t n_responses = 0, n_reused = 0;
  int64_t n_prompt_tokens = 0, n_cached_tokens = 0, n_new_tokens = 0, n_decoded_tokens = 0, n_batches = 0;
  std::optional<double> generated_tok_s, total_tok_s;      // aggregate over the time spent decoding
  std::optional<double> stream_tok_s;                      // median over streams, after the first token
  // First token, between pieces of a stream, whole answer: from the moment the engine took the request up.
  std::optional<double> ttft_p50_s, ttft_p95_s, ttft_p99_s;
  std::optional<double> itl_p50_s, itl_p95_s, itl_p99_s;
  std::optional<double> e2e_p50_s, e2e_p95_s, e2e_p99_s;
  std::optional<int64_t> peak_rss_bytes, model_bytes, kv_bytes, compute_bytes;
  std::optional<int64_t> peak_device_bytes, device_total_bytes;
  std::optional<double> cpu_utilisation, device_utilisation;  // 0..1 of the cores / of the device
  double prefill_s = 0, decode_s = 0;  // of decode_busy_s, where the engine tells them apart
  std::optional<double> batch_fill;    // scoring: tokens ÷ room of the micro-batches, while work for a full one was known
  std::optional<double> slot_use;      // generation: busy slots ÷ slots, while requests waited for one
  double mean_streams = 0;             // answers being written at a time, while any was
  int64_t n_streams = 0;               // answers that the cache was made for; 0 = unknown
  int64_t longest_request_tokens = 0;  // prompt and answer as asked for
  int64_t longest_scored_tokens = 0;   // of a log-likelihood: context and continuation
  // Objects or null. usage: what the monitor saw beyond the above (power_w, energy_j, temperature_c, …); server: what its
  // counters said; predicted: the plan's figures for this run, made after it from earlier runs alone.
  Json usage, server, predicted;
};

Json to_json(const MetricSummary& summary);
MetricSummary metric_summary_from_json(const Json& json);
Json to_json(const TaskSummary& summary);
TaskSummary task_summary_from_json(const Json& json);
Json to_json(const RunPerformance& performance);
RunPerformance run_performance_from_json(const Json& json);

}  // namespace qeval
