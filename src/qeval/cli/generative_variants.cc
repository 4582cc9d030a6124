#include "qeval/cli/generative_variants.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
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

// A group is a score over its own tasks; where another took the place of one, what is left is no such score.
void drop_groups_of(const std::set<std::string>& replaced, RunPlan& plan) {
  std::erase_if(plan.groups, [&](const GroupSpec& group) {
    const bool whole = std::none_of(group.tasks.begin(), group.tasks.end(), [&](const std::string& task) { return replaced.contains(task); });
    if (!whole && !group.metrics.empty()) console().note(fmt::format("{}: no score for the group, other tasks run instead of its own", group.name));
    return !whole;
  });
}

}  // namespace

Status use_generative_variants(RunPlan& plan, const EngineCapabilities& can, bool is_instruct, const TaskRegistry& registry) {
  if (can.loglikelihood) return {};
  std::map<std::string, std::vector<std::string>> replaced;  // by variant
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
    std::vector<std::string>& in_place_of = replaced[*variant];
    in_place_of.push_back(task.name);
    if (in_place_of.size() > 1) continue;
    task.name = *variant;
    task.overrides.num_fewshot.reset();
    task.overrides.apply_chat_template = task.overrides.apply_chat_template || is_instruct;
    tasks.push_back(std::move(task));
  }
  plan.tasks = std::move(tasks);
  std::set<std::string> all_replaced;
  for (const auto& [variant, names] : replaced) {
    all_replaced.insert(names.begin(), names.end());
    const std::string others = names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "";
    console().note(fmt::format("{}{}: this server gives no log-likelihoods; {} runs instead, a different protocol", names[0], others, variant));
  }
  drop_groups_of(all_replaced, plan);
  return {};
}

}  // namespace qeval
