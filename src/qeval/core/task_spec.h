#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/util/json.h"

namespace qeval {

enum class OutputType { multiple_choice = 1, loglikelihood = 2, loglikelihood_rolling = 3, generate_until = 4 };
const char* to_string(OutputType type);

struct FilterStep {
  std::string function;  // take_first, regex, remove_whitespace, lowercase, majority_vote, take_first_k, map, custom…
  Json arguments;        // the step's other keys, as written
};
struct FilterPipeline {
  std::string name = "none";
  std::vector<FilterStep> steps;  // empty: take_first
};

struct MetricSpec {
  std::string name;                 // acc, acc_norm, exact_match, pass@1 …
  std::string aggregation;          // mean, perplexity, … "" = the metric's own default
  bool higher_is_better = true;
  Json options;                     // ignore_case, regexes_to_ignore, k … as written
};

// How answers become scores; everything that a rescore needs and nothing that a prompt needs.
struct ScoringSpec {
  OutputType output_type = OutputType::generate_until;
  std::vector<FilterPipeline> filters;
  std::vector<MetricSpec> metrics;
  std::string scorer;              // "" = by metrics alone; "python_tests" runs code (humaneval, mbpp);
                                   // "function_calls" and "json_schema" read calls and JSON
  Json scorer_options;             // python_tests: {"program": template of prompt+answer+test, "timeout_s": 3.0}
  std::string think_end_token;     // text up to its last occurrence is dropped before stop strings and filters
  std::vector<std::string> until;
  std::optional<double> chance;    // score of guessing, where it is known (1/n choices)
};

// A task with one protocol, as loaded; `config` is the merged YAML for the record.
struct TaskSpec {
  std::string name;
  std::string version = "0";
  std::string file;                // where it came from, for messages
  std::string category;            // "Math Reasoning", "Code Generation" …: the tracker's task type
  std::string title;               // "GSM8K"
  std::string dataset_title;       // family that variants share, for comparison with published scores: "gsm8k"
  std::string protocol_note;       // what differs from lm-eval, shown with the score
  int num_fewshot = 0;
  int repeats = 1;
  bool always_chat = false;        // goes through the chat template whether or not it is asked for
  ScoringSpec scoring;
  std::string tool_mode;           // native, prompt, constrained; "" = the task offers no tools and binds no schema
  std::optional<bool> thinking;    // asked for explicitly; unset = the model's own way
  int thinking_budget = 0;         // tokens that thinking adds to the answer's limit
  Json config;
};

}  // namespace qeval
