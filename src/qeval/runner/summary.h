#pragma once

#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/core/task_summary.h"

namespace qeval {

struct SummaryInput {
  std::string row;                 // tracker's dataset row
  int num_fewshot = 0;
  bool chat_template = false;
  std::string hf_id;               // weights, for published scores
  std::string sandbox_backend;
  std::string note;
  int64_t n_reused = 0, n_prompt_tokens = 0, n_new_tokens = 0;
  double wall_s = 0;
};

// Aggregates, counts classes and assesses. `doc_ids[i]` belongs to `scores[i]`; both in doc order.
TaskSummary summarise_task(const TaskSpec& spec, const SummaryInput& input, const std::vector<int64_t>& doc_ids,
                           const std::vector<std::vector<Score>>& scores,
                           const std::vector<PublishedScore>& published);

// "5-shot, chat template, strict-match": what a reader must know to compare.
std::string protocol_text(const TaskSpec& spec, int num_fewshot, bool chat_template);

}  // namespace qeval
