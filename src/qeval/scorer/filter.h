#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// What a pipeline made of one doc's responses. Values are strings, or whatever `map` and `regex_pos` give.
struct Filtered {
  std::vector<Json> values;  // one per response that is left
  bool single = false;       // a step took one value out of the list (take_first)
  bool fallback = false;     // a regex step found nothing in the first response
  std::string note;          // a step gave up (match limit of a regex), for the explanation
};

// One step. Immutable, thread-safe.
class FilterFunction {
 public:
  virtual ~FilterFunction() = default;
  virtual void apply(Filtered& state, const Sample& sample) const = 0;
};

// A compiled pipeline: lm-eval's filters by name, with its defaults. An empty one is take_first.
//   take_first; take_first_k {k}; majority_vote (first of the most frequent);
//   regex {regex_pattern, group_select 0, fallback "[invalid]"}: re.findall, group_select counts from the end where
//     negative, of a match with groups the first that is not empty, stripped; out of range = nothing found;
//   multi_choice_regex {… ignore_case, ignore_punctuation, regexes_to_ignore}: regex, else the text of a choice
//     anywhere, else ": X"; gives "(X)";
//   regex_pos {fallback ["invalid"]}: the second members of ('token', 'tag') pairs;
//   remove_whitespace (Python's strip), lowercase, uppercase; map {mapping_dict, default_value null};
//   custom {filter_fn: {"!function": "utils.build_predictions" | "utils.build_predictions_instruct" |
//     "utils.extract_code_blocks"}}: see code_extract.h; build_predictions puts doc["prompt"] in front unless the task
//     is an mbpp one, where it takes the first block.
// After take_first a further step works on the one value.
class FilterChain {
 public:
  // Error (bad_input) names file, filter, step and key.
  static Result<FilterChain> compile(const FilterPipeline& pipeline, const TaskSpec& spec);
  // Linear in the responses' bytes for fixed patterns. `responses` are valid UTF-8.
  Filtered apply(const std::vector<std::string>& responses, const Sample& sample) const;
  const std::string& name() const { return name_; }
  // The last regex fallback, or "" where the chain has none.
  const std::string& fallback() const { return fallback_; }

 private:
  std::string name_, fallback_;
  std::vector<std::shared_ptr<const FilterFunction>> steps_;
};

// Value of a chain as text: strings bare, else Python's str().
std::string filtered_text(const Json& value);

}  // namespace qeval
