#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"

namespace qeval {

// A generated response made ready for filters. Order as lm-eval's: thinking first, then stop strings.
struct Answer {
  std::string text;                  // valid UTF-8
  bool cut_by_length = false;        // token limit
  bool cut_by_stop = false;          // one of the task's stop strings, by the engine or here
  bool unfinished_thinking = false;  // reasoning began (or was asked for) and its end never came
};

// With think_end_token: what follows its last occurrence, without leading white space; without an occurrence all of it
// stays, as in lm-eval. Then the text before the first occurrence of any of `until`.
Answer prepare_answer(const Response& response, const ScoringSpec& scoring, const Sample& sample);

// "engine_error: message" where a response is no answer (failed, cancelled); "" where all are.
std::string engine_fault(const std::vector<Response>& responses);

// The answer begins by declining ("I'm sorry, but I can't …"), in English.
bool is_refusal(std::string_view text);
bool is_blank(std::string_view text);

}  // namespace qeval
