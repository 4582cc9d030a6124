#include "qeval/runner/summary.h"

#include <fmt/format.h>

#include "qeval/scorer/scorer.h"
#include "qeval/stats/assessment.h"

namespace qeval {
namespace {

// "metric,filter" as the task's metadata names it; else the field's habit: acc_norm before acc, first filter.
std::pair<std::string, std::string> primary_of(const TaskSpec& spec, const std::vector<MetricSummary>& metrics) {
  if (spec.config.contains("metadata")) {
    std::string named = json_string(spec.config["metadata"], "primary");
    if (size_t comma = named.find(','); comma != std::string::npos) return {named.substr(0, comma), named.substr(comma + 1)};
  }
  for (const MetricSummary& m : metrics)
    if (m.metric == "acc_norm") return {m.metric, m.filter};
  return metrics.empty() ? std::pair<std::string, std::string>{} : std::pair{metrics[0].metric, metrics[0].filter};
}

}  // namespace

std::string protocol_text(const TaskSpec& spec, int num_fewshot, bool chat_template) {
  return fmt::format("{}-shot, {}, {}", num_fewshot, chat_template ? "chat template" : "raw",
                     spec.scoring.output_type == OutputType::generate_until ? "generated" : "log-likelihood");
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
  std::tie(out.primary_metric, out.primary_filter) = primary_of(spec, out.metrics);
  out.classes = class_counts(doc_ids, scores);
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
