#pragma once

// Inner seam of the scorer: regex-based steps, made by filter.cc.

#include <memory>
#include <string>

#include "qeval/scorer/filter.h"
#include "qeval/text/regex.h"

namespace qeval {

// Arguments of one step, taken one by one; what is left over at the end is unknown and an error.
class StepArguments {
 public:
  StepArguments(const Json& arguments, std::string place);
  Result<std::string> text(const std::string& key, const std::string& fallback);
  Result<int64_t> integer(const std::string& key, int64_t fallback);
  Result<bool> boolean(const std::string& key, bool fallback);
  Result<std::vector<Regex>> patterns(const std::string& key);
  Json any(const std::string& key);  // null where absent
  bool has(const std::string& key) const;
  Status done() const;  // error: the first key that nobody took
  Error wrong(const std::string& key, const std::string& expected) const;

 private:
  Json left_;
  std::string place_;
};

using StepResult = Result<std::shared_ptr<const FilterFunction>>;
// `fallback_out` gets the step's fallback text.
StepResult make_regex_step(StepArguments arguments, std::string& fallback_out);
StepResult make_multi_choice_step(StepArguments arguments, std::string& fallback_out);
StepResult make_tag_step(StepArguments arguments);

}  // namespace qeval
