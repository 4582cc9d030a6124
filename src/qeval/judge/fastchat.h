#pragma once

#include <map>
#include <string>
#include <vector>

#include "qeval/judge/answers.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"
#include "qeval/util/result.h"

namespace qeval {

// FastChat's answer files: a JSON object a line with question_id, model_id and choices[0].turns.
struct FastChatAnswers {
  std::string model_id;
  std::string sha256;                                        // of the file
  std::map<int64_t, std::vector<std::string>> by_question;   // question_id → the answer of each turn
};
// Error (bad_input): file, line and key; two models in one file; a question twice.
Result<FastChatAnswers> parse_fastchat_answers(const std::string& text, const std::string& file);
// One line per answered question and repeat, as choices.
std::string fastchat_answers(const RunAnswers& answers, const std::string& model_id, int64_t tstamp_ms);

// Stores answers made elsewhere as a finished run of engine "imported", as if they had been asked here, so that they are
// judged and shown like any other. The same file gives the same run. `task` is the loaded mt_bench.
// Error (bad_input): a question that the task does not have, or with another number of turns.
Result<RunId> import_fastchat_answers(Store& store, const Task& task, const FastChatAnswers& answers, const std::string& file);

}  // namespace qeval
