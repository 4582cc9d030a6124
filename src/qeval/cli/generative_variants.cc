#include "qeval/cli/generative_variants.h"

#include <fmt/format.h>

#include <set>

#include "qeval/cli/console.h"

namespace qeval {
namespace {

constexpr size_t kLookAt = 20;  // docs, when deciding whether choices are single tokens

bool needs_likelihoods(OutputType type) { return type != OutputType::generate_until; }

// mmlu_anatomy → mmlu_gen: the nearest name that exists.
std::optional<std::string> variant_of(const std::string& name, const TaskRegistry& registry) {
  for (std::string stem = name; !stem.empty();) {
    if (registry.describe(stem + "_gen")) return stem + "_gen";
    const size_t cut = stem.rfind('_');
    stem = cut == std::string::npos ? "" : stem.substr(0, cut);
  }
  return std::nullopt;
}

// One letter after a space, as in MMLU, is one token in every tokenizer that we meet; anything longer may not be.
bool choices_are_letters(const PlannedTask& planned, const TaskRegistry& registry) {
  auto task = registry.load(planned.name, planned.overrides);
  if (!task) return false;
  const size_t n = std::min(kLookAt, (*task)->doc_ids().size());
  for (size_t i = 0; i < n; ++i) {
    auto sample = (*task)->build(i, [](const ChatPrompt& chat) -> Result<std::string> { return prompt_text(Prompt(chat)); });
    if (!sample) return false;
    for (const Request& request : sample->requests) {
      const size_t letter = request.continuation.find_first_not_of(' ');
      if (letter == std::string::npos || letter > 1 || letter + 1 != request.continuation.size()) return false;
    }
  }
  return n > 0;
}

}  // namespace

Status use_generative_variants(RunPlan& plan, const EngineCapabilities& can, bool is_instruct, const TaskRegistry& registry) {
  if (can.loglikelihood) return {};
  std::set<std::string> present;
  std::vector<PlannedTask> tasks;
  for (PlannedTask& task : plan.tasks) {
    auto spec = task.pending.empty() ? registry.describe(task.name) : Result<TaskSpec>(TaskSpec{});
    if (!spec || !task.pending.empty() || !needs_likelihoods(spec->scoring.output_type) ||
        (can.single_token_loglikelihood && choices_are_letters(task, registry))) {
      tasks.push_back(std::move(task));
      continue;
    }
    const auto variant = variant_of(task.name, registry);
    if (!variant) {
      task.pending = "needs log-likelihoods, which this server does not give";
      console().note(fmt::format("{}: {}; it has no generative variant, so it is left out", task.name, task.pending));
      tasks.push_back(std::move(task));
      continue;
    }
    console().note(fmt::format("{}: this server gives no log-likelihoods; {} runs in its place, a different protocol", task.name, *variant));
    if (!present.insert(*variant).second) continue;
    task.name = *variant;
    task.overrides.num_fewshot.reset();
    task.overrides.apply_chat_template = task.overrides.apply_chat_template || is_instruct;
    tasks.push_back(std::move(task));
  }
  plan.tasks = std::move(tasks);
  return {};
}

}  // namespace qeval
