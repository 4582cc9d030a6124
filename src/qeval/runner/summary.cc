#include "qeval/runner/summary.h"

#include <fmt/format.h>

#include <tuple>

#include "qeval/scorer/scorer.h"
#include "qeval/stats/assessment.h"

namespace qeval {
std::string protocol_text(const TaskSpec& spec, int num_fewshot, bool chat_template) {
  std::string out = fmt::format("{}-shot, {}, {}", num_fewshot, chat_template || !spec.tool_mode.empty() ? "chat template" : "raw",
                                spec.scoring.output_type == OutputType::generate_until ? "generated" : "log-likelihood");
  if (!spec.tool_mode.empty()) out += fmt::format(", tool mode {}", spec.tool_mode);
  if (spec.thinking) out += *spec.thinking ? fmt::format(", thinking on (budget {} tokens)", spec.thinking_budget) : ", thinking off";
  return out;
}

TaskSummary summarise_task(const TaskSpec& spec, const SummaryInput& input, const std::vector<int64_t>& doc_ids,
                           const std::vector<std::vector<Score>>& scores,
                           const std::vector<PublishedScore>& published) {
  TaskSummary out;
  out.task = spec.name;
  out.version = spec.version;
  out.title = spec.title.empty() ? spec.name : spec.title;
  out.category = spec.category;
  out.row = input.row;
  out.num_fewshot = input.num_fewshot;
  out.chat_template = input.chat_template;
  out.protocol = protocol_text(spec, input.num_fewshot, input.chat_template);
  out.metrics = summarise(spec, scores);
  std::tie(out.primary_metric, out.primary_filter) = primary_metric(spec);
  out.classes = class_counts(scores, doc_ids);
  out.sandbox_backend = input.sandbox_backend;
  out.note = input.note.empty() ? spec.protocol_note : input.note;
  out.n_docs = static_cast<int64_t>(scores.size());
  for (const auto& sample : scores)
    if (!sample.empty() && is_infrastructure(sample[0].failure_class)) ++out.n_infrastructure;
  out.n_reused = input.n_reused;
  out.n_prompt_tokens = input.n_prompt_tokens;
  out.n_new_tokens = input.n_new_tokens;
  out.wall_s = input.wall_s;
  AssessmentInput assessment;
  assessment.hf_id = input.hf_id;
  assessment.chance = spec.scoring.chance;
  assessment.published = published;
  assessment.task_family = spec.dataset_title;
  assess(out, assessment);
  return out;
}

}  // namespace qeval
