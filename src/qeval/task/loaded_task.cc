#include "qeval/task/loaded_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/task/hooks.h"
#include "qeval/task/scorer_data.h"
#include "qeval/task/task_class.h"
#include "qeval/util/hash.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

// Enough for short reasoning on any context of 8k; the cards ask for 32,768.
constexpr int kThinkingBudget = 4096;

}  // namespace

Status LoadedTask::apply_overrides() {
  TaskSpec& spec = config_.spec;
  if (spec.always_chat) overrides_.apply_chat_template = true;
  if (overrides_.num_fewshot) {
    if (*overrides_.num_fewshot < 0) return fail(ErrorKind::usage, "num_fewshot must not be negative");
    spec.num_fewshot = *overrides_.num_fewshot;
    spec.config["num_fewshot"] = spec.num_fewshot;
  }
  if (overrides_.repeats) {
    if (*overrides_.repeats < 1) return fail(ErrorKind::usage, "repeats must be at least 1");
    spec.repeats = *overrides_.repeats;
    spec.config["repeats"] = spec.repeats;
  }
  if (overrides_.gen_kwargs.is_object() && !overrides_.gen_kwargs.empty() && type() == OutputType::generate_until) {
    Json merged = config_.generation_kwargs;
    merged.update(overrides_.gen_kwargs);
    spec.config["generation_kwargs"] = std::move(merged);
  }
  auto generation = parse_generation(config_.generation_kwargs, config_.fewshot_delimiter, overrides_.gen_kwargs);
  if (!generation) return fail(generation.error().in(spec.name + ": generation_kwargs"));
  generation_ = std::move(*generation);
  if (type() == OutputType::generate_until) spec.scoring.until = generation_.until;
  mutual_info_ = std::any_of(spec.scoring.metrics.begin(), spec.scoring.metrics.end(),
                             [](const MetricSpec& metric) { return metric.name == "acc_mutual_info"; });
  if (overrides_.want_mutual_info && !mutual_info_ && type() == OutputType::multiple_choice) {
    mutual_info_ = true;
    spec.scoring.metrics.push_back({"acc_mutual_info", "mean", true, Json::object()});
  }
  if (config_.workflow) QEVAL_CHECK(apply_agent_overrides());
  if (overrides_.tool_mode && !spec.tool_mode.empty()) {
    spec.tool_mode = to_string(*overrides_.tool_mode);
    if (spec.config["metadata"].is_object()) spec.config["metadata"]["tool_mode"] = spec.tool_mode;
  }
  return settle_thinking();
}

Status LoadedTask::settle_thinking() {
  TaskSpec& spec = config_.spec;
  if (!overrides_.enable_thinking) overrides_.enable_thinking = spec.thinking;
  if (overrides_.enable_thinking.value_or(false) && type() != OutputType::generate_until) {
    note_ = "log-likelihoods are taken without thinking";
    overrides_.enable_thinking = false;
  }
  spec.thinking = overrides_.enable_thinking;
  if (!spec.thinking.value_or(false)) return {};
  spec.scoring.think_end_token = "</think>";
  spec.thinking_budget = overrides_.thinking_budget.value_or(kThinkingBudget);
  generation_.max_new_tokens += spec.thinking_budget;
  // A stop string inside the reasoning must not end it: the scorer cuts after the reasoning is dropped.
  generation_.until.clear();
  return {};
}

Status LoadedTask::apply_agent_overrides() {
  Json workflow = agent::to_json(*config_.workflow);
  if (overrides_.tool_mode) workflow["protocol"] = to_string(*overrides_.tool_mode);
  if (overrides_.agent_settings.is_object()) workflow.update(overrides_.agent_settings);
  if (!overrides_.system_instruction.empty()) workflow["instruction"] = overrides_.system_instruction;
  QEVAL_TRY(config_.workflow, agent::workflow_from_json(workflow));
  const Json& given = overrides_.gen_kwargs;
  bool said = given.is_object() && (given.contains("temperature") || given.contains("do_sample"));
  if (!overrides_.agent_temperature || said) return {};
  generation_.sampling.temperature = *overrides_.agent_temperature;
  config_.spec.config["generation_kwargs"]["temperature"] = *overrides_.agent_temperature;
  return {};
}

Result<Docs> LoadedTask::read_split(const std::string& split, const std::string& hook, const TaskSources& sources, const HttpGet& get) {
  DatasetSpec dataset{config_.dataset_path, config_.dataset_name, config_.dataset_kwargs, config_.merged->file};
  // The file that names the data set is what its relative paths are relative to.
  for (const char* key : {"dataset_kwargs", "dataset_path"}) {
    auto origin = config_.merged->origins.find(key);
    if (origin == config_.merged->origins.end()) continue;
    dataset.yaml = {origin->second.file, config_.merged->file.shipped || origin->second.file.starts_with("tasks/")};
    break;
  }
  auto read = load_split(dataset, split, sources, get);
  if (!read) return fail(read.error().in(config_.spec.name));
  size_t n = read->rows.size();
  std::string hook_note;
  if (!hook.empty()) {
    auto processed = run_docs_hook(hook, std::move(read->rows), hook_note);
    if (!processed) return fail(processed.error().in(fmt::format("{}: {}", config_.spec.name, read->source)));
    read->rows = std::move(*processed);
  }
  if (!note_.empty()) note_ += "; ";
  note_ += fmt::format("{}: {} docs from {}, sha256 {}", split, n, read->source, read->sha256);
  if (!hook_note.empty()) note_ += fmt::format(" ({})", hook_note);
  data_hashes_[split] = read->sha256;
  return Docs(std::make_shared<const std::vector<Json>>(std::move(read->rows)));
}

// lm-eval's order: the few-shot split, fixed samples, then the training, validation or test split.
Result<Docs> LoadedTask::fewshot_pool(const TaskSources& sources, const HttpGet& get) {
  const FewshotConfig& fewshot = config_.fewshot;
  Docs pool;
  if (!fewshot.split && (!fewshot.samples.is_null() || !fewshot.samples_hook.empty())) {
    Json samples = fewshot.samples;
    if (!fewshot.samples_hook.empty()) {
      QEVAL_TRY(samples, run_samples_hook(fewshot.samples_hook));
    }
    pool = std::make_shared<const std::vector<Json>>(samples.begin(), samples.end());
  } else {
    std::optional<std::string> split = fewshot.split;
    std::string hook = fewshot.split ? fewshot.process_docs : config_.process_docs;
    if (!split) split = config_.training_split ? config_.training_split : config_.eval_split();
    if (*split == *config_.eval_split() && hook == config_.process_docs) {
      pool = docs_;
    } else {
      auto read = read_split(*split, hook, sources, get);
      if (!read) return fail(read.error().in("few-shot examples"));
      pool = std::move(*read);
    }
  }
  if (fewshot.indices.empty()) return pool;
  std::vector<Json> chosen;
  for (size_t index : fewshot.indices) {
    if (index >= pool->size()) return fail(config_.merged->wrong("fewshot_config", fmt::format("fewshot_indices: the pool has no document {}", index)));
    chosen.push_back((*pool)[index]);
  }
  return Docs(std::make_shared<const std::vector<Json>>(std::move(chosen)));
}

Status LoadedTask::choose_docs() {
  int64_t total = n_docs_total();
  int64_t limit = overrides_.limit && *overrides_.limit > 0 ? std::min(*overrides_.limit, total) : total;
  if (!overrides_.doc_ids.empty()) {
    for (int64_t id : overrides_.doc_ids)
      if (id < 0 || id >= total) return bad_input(fmt::format("{}: there is no doc {}: the split has {}", config_.spec.name, id, total));
    ids_ = overrides_.doc_ids;
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  } else if (overrides_.sample_seed) {
    PyRandom random(*overrides_.sample_seed);
    for (size_t id : random.sample(static_cast<size_t>(total), static_cast<size_t>(limit))) ids_.push_back(static_cast<int64_t>(id));
    std::sort(ids_.begin(), ids_.end());
  } else {
    for (int64_t id = 0; id < limit; ++id) ids_.push_back(id);
  }
  return {};
}

Status LoadedTask::draw_shots(const TaskSources& sources, const HttpGet& get) {
  FewshotDraws::Plan plan;
  plan.sampler = config_.fewshot.sampler;
  plan.n_shots = static_cast<size_t>(config_.spec.num_fewshot);
  plan.exclude_doc = config_.fewshot.split == config_.test_split;
  plan.seed = overrides_.fewshot_seed;
  Docs pool;
  if (plan.n_shots > 0) {
    QEVAL_TRY(pool, fewshot_pool(sources, get));
  }
  size_t n_docs = ids_.empty() ? 0 : static_cast<size_t>(ids_.back()) + 1;
  auto draws = FewshotDraws::draw(plan, pool, *docs_, n_docs);
  if (!draws) return fail(draws.error().in(config_.spec.name));
  draws_ = std::move(*draws);
  return {};
}

// As lm-eval: the first document decides whether the task has multiple inputs or targets.
Status LoadedTask::study_first_doc() {
  const Json& doc = docs_->front();
  auto text = prompt_.text(doc);
  if (!text) return fail(located(0, text.error()));
  auto target = prompt_.target(doc);
  if (!target) return fail(located(0, target.error()));
  multiple_inputs_ = prompt_.has_choices() && text->is_number_integer();
  multiple_targets_ = target->is_array();
  if (config_.workflow) count_turns();
  for (size_t i = 0; config_.user_turns && i < docs_->size(); ++i) {
    auto checked = agent::check_user_turns((*docs_)[i]);
    if (!checked) return fail(located(static_cast<int64_t>(i), checked.error()));
    n_turns_ = std::max(n_turns_, agent::max_user_turn_requests((*docs_)[i]));
  }
  if (config_.conversation.is_one()) {
    if (type() != OutputType::generate_until)
      return fail(config_.merged->wrong("metadata", "turns: a conversation needs output_type generate_until"));
    for (size_t i = 0; i < docs_->size(); ++i) {
      auto n = config_.conversation.n_turns((*docs_)[i]);
      if (!n) return fail(located(static_cast<int64_t>(i), n.error()));
      n_turns_ = std::max(n_turns_, static_cast<int>(*n));
    }
  }
  if (type() != OutputType::multiple_choice && text->is_number_integer() && prompt_.has_choices())
    return fail(config_.merged->wrong("doc_to_text", "an index of doc_to_choice is for multiple_choice only"));
  return {};
}

// Chance of guessing: the mean of right choices over choices, from a look at some documents.
void LoadedTask::settle_chance() {
  ScoringSpec& scoring = config_.spec.scoring;
  if (scoring.chance || type() != OutputType::multiple_choice || scoring.scorer == "truthfulqa_mc2") return;
  size_t n = std::min<size_t>(docs_->size(), 200);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const Json& doc = (*docs_)[i];
    Sample sample;
    auto choices = prompt_.choices(doc);
    auto gold = multiple_inputs_ ? prompt_.text(doc) : prompt_.target(doc);
    if (!choices || choices->empty() || !gold) return;
    sample.choices = std::move(*choices);
    if (!set_gold(doc, *gold, sample)) return;
    sum += static_cast<double>(sample.gold.size()) / static_cast<double>(sample.choices.size());
  }
  if (n > 0) scoring.chance = sum / static_cast<double>(n);
}

void LoadedTask::settle_identity() {
  const TaskSpec& spec = config_.spec;
  Json config = spec.config;
  for (const char* key : {"metadata", "tag", "task_alias", "group"}) config.erase(key);
  identity_ = {{"task", spec.name}, {"version", spec.version}, {"config", std::move(config)}, {"data", data_hashes_},
               {"hooks_version", kHooksVersion}, {"num_fewshot", spec.num_fewshot}, {"repeats", spec.repeats},
               {"fewshot_seed", overrides_.fewshot_seed}, {"chat_template", overrides_.apply_chat_template},
               {"multiturn", overrides_.apply_chat_template && overrides_.fewshot_as_multiturn},
               {"system_instruction", overrides_.system_instruction}, {"gen_kwargs", overrides_.gen_kwargs},
               {"mutual_info", mutual_info_}};
  identity_["thinking"] = overrides_.enable_thinking ? Json(*overrides_.enable_thinking) : Json();
  if (spec.thinking_budget > 0) identity_["thinking_budget"] = spec.thinking_budget;
  if (!spec.tool_mode.empty()) {
    identity_["tool_mode"] = spec.tool_mode;
    identity_["offer_tools_version"] = kOfferToolsVersion;
  }
  if (outside_tools_) identity_["calls_carried_out_by"] = outside_tools_->version();
  if (config_.workflow) identity_["agent"] = agent::to_json(*config_.workflow);
  if (config_.conversation.is_one()) {
    const Json& metadata = spec.config["metadata"];
    identity_["conversation"] = {{"turns", metadata["turns"]}};
    if (metadata.contains("temperature_by")) identity_["conversation"]["temperature_by"] = metadata["temperature_by"];
  }
  Json selection = {{"n", ids_.size()}};
  if (!overrides_.doc_ids.empty()) selection["doc_ids"] = ids_;
  else if (overrides_.sample_seed) selection["sample_seed"] = *overrides_.sample_seed;
  identity_["selection"] = std::move(selection);
}

Status LoadedTask::load(const TaskSources& sources, const HttpGet& get) {
  QEVAL_CHECK(apply_overrides());
  if (config_.user_turns) outside_tools_ = sources.outside_tools;
  QEVAL_TRY(docs_, read_split(*config_.eval_split(), config_.process_docs, sources, get));
  find_scorer_data(config_.spec, sources);
  QEVAL_TRY(std::string scorer_data, scorer_data_sha256(config_.spec, sources));
  if (!scorer_data.empty()) data_hashes_["scorer"] = scorer_data;
  if (docs_->empty()) return bad_input(fmt::format("{}: the split '{}' is empty", config_.spec.name, *config_.eval_split()));
  std::unordered_set<std::string> columns;
  for (const auto& [key, value] : docs_->front().items()) columns.insert(key);
  QEVAL_TRY(prompt_, PromptBuilder::compile(config_, columns));
  QEVAL_CHECK(study_first_doc());
  QEVAL_CHECK(choose_docs());
  QEVAL_CHECK(draw_shots(sources, get));
  settle_chance();
  if (spec().tool_mode == to_string(ToolMode::constrained) && !config_.user_turns) note_ += unenforced_note(config_.chat, *docs_, ids_);
  settle_identity();
  return {};
}

// As many turns as the longest document may take.
void LoadedTask::count_turns() {
  for (const Json& doc : *docs_)
    n_turns_ = std::max(n_turns_, config_.workflow->max_steps > 0 ? config_.workflow->max_steps : static_cast<int>(json_int(doc, "max_steps")));
}

Result<std::unique_ptr<Task>> make_task(TaskConfig config, const TaskOverrides& overrides, const TaskSources& sources, const HttpGet& get) {
  auto task = std::make_unique<LoadedTask>(std::move(config), overrides);
  QEVAL_CHECK(task->load(sources, get));
  return std::unique_ptr<Task>(std::move(task));
}

}  // namespace qeval
