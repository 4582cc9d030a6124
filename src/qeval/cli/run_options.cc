#include "qeval/cli/run_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "qeval/cli/generative_variants.h"
#include "qeval/net/http_client.h"
#include "qeval/text/near_names.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

constexpr std::string_view kAgentSetting = "agent.";

// Numbers, booleans and JSON as such; anything else is text.
Json loose_value(const std::string& text) {
  if (text == "True" || text == "true") return true;
  if (text == "False" || text == "false") return false;
  if (auto json = parse_json(text); json && !json->is_null()) return *json;
  return text;
}

Result<Json> key_values(const std::string& option, const std::string& text) {
  Json out = Json::object();
  for (const std::string& item : split_commas(text)) {
    size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorKind::usage, fmt::format("{}: “{}” is not KEY=VALUE", option, item));
    out[item.substr(0, equals)] = loose_value(item.substr(equals + 1));
  }
  return out;
}

template <typename T>
Result<T> as(const std::string& key, const Json& value, const char* expected, bool fits) {
  if (!fits) return fail(ErrorKind::usage, fmt::format("--set {}={}: {} was expected", key, dump_json(value), expected));
  return value.get<T>();
}

Status apply_setting(Preset& preset, const std::string& key, const Json& value) {
  if (key == "gpu_memory_utilization") {
    QEVAL_TRY(preset.gpu_memory_utilization, as<double>(key, value, "a number from 0 to 1", value.is_number() && value > 0 && value <= 1));
  } else if (key == "max_num_seqs") {
    QEVAL_TRY(preset.max_num_seqs, as<int>(key, value, "a positive integer", value.is_number_integer() && value > 0));
  } else if (key == "evaluation_batch_size") {
    QEVAL_TRY(preset.evaluation_batch_size, as<int>(key, value, "a positive integer", value.is_number_integer() && value > 0));
  } else if (key == "max_model_len") {
    QEVAL_TRY(preset.max_model_len, as<int>(key, value, "a positive integer", value.is_number_integer() && value > 0));
  } else if (key == "agent_temperature") {
    QEVAL_TRY(preset.agent_temperature, as<double>(key, value, "a number", value.is_number()));
  } else if (key == "prefix_caching") {
    QEVAL_TRY(preset.prefix_caching, as<bool>(key, value, "true or false", value.is_boolean()));
  } else if (key.rfind(kAgentSetting, 0) == 0) {
    return {};  // of the tasks, not of the serving configuration: agent_settings() reads it
  } else if (key.rfind("llama.", 0) == 0) {
    preset.llama[key.substr(6)] = value;
  } else if (key.rfind("vllm.", 0) == 0) {
    preset.vllm[key.substr(5)] = value;
  } else {
    return fail(ErrorKind::usage, fmt::format("--set {}: unknown key; known: gpu_memory_utilization, max_num_seqs, evaluation_batch_size, "
                                              "max_model_len, agent_temperature, prefix_caching, agent.KEY, llama.KEY, vllm.KEY", key));
  }
  return {};
}

// KEY=VALUE of every --set agent.KEY=VALUE.
Json agent_settings(const std::vector<std::string>& settings) {
  Json out = Json::object();
  for (const std::string& setting : settings) {
    size_t equals = setting.find('=');
    if (setting.rfind(kAgentSetting, 0) != 0 || equals == std::string::npos) continue;
    out[setting.substr(kAgentSetting.size(), equals - kAgentSetting.size())] = loose_value(setting.substr(equals + 1));
  }
  return out;
}

Result<TaskOverrides> common_overrides(const RunOptions& o) {
  TaskOverrides overrides;
  overrides.num_fewshot = o.num_fewshot;
  overrides.repeats = o.repeats;
  overrides.limit = o.limit;
  overrides.sample_seed = o.sample_seed;
  overrides.fewshot_seed = o.seed;
  overrides.apply_chat_template = o.apply_chat_template;
  overrides.fewshot_as_multiturn = o.fewshot_as_multiturn;
  overrides.system_instruction = o.system_instruction;
  if (!o.thinking.empty()) overrides.enable_thinking = o.thinking == "on";
  overrides.thinking_budget = o.thinking_budget;
  if (!o.tool_mode.empty()) overrides.tool_mode = tool_mode_from(o.tool_mode);
  if (!o.gen_kwargs.empty()) {
    QEVAL_TRY(overrides.gen_kwargs, key_values("--gen-kwargs", o.gen_kwargs));
  }
  return overrides;
}

using ListedSamples = std::map<std::string, std::vector<int64_t>>;

Result<ListedSamples> listed_samples(const std::string& file) {
  ListedSamples out;
  if (file.empty()) return out;
  QEVAL_TRY(std::string text, read_file(file));
  auto json = parse_json(text);
  if (!json) return fail(json.error().in(file));
  if (!json->is_object()) return bad_input(fmt::format("{}: {{\"task\": [doc ids]}} was expected", file));
  for (const auto& [task, ids] : json->items()) {
    if (!ids.is_array() || ids.empty()) return bad_input(fmt::format("{}: {}: a list of doc ids was expected", file, task));
    for (const Json& id : ids) {
      if (!id.is_number_integer() || id < 0)
        return bad_input(fmt::format("{}: {}: {} is no doc id", file, task, dump_json(id).substr(0, 40)));
      out[task].push_back(id.get<int64_t>());
    }
  }
  return out;
}

// Each list must belong to a task that runs: a misspelt one would run everything.
Status choose_listed(const ListedSamples& listed, const std::string& file, RunPlan& plan) {
  for (const auto& [name, ids] : listed) {
    std::vector<std::string> known;
    bool found = false;
    for (PlannedTask& task : plan.tasks) {
      known.push_back(task.name);
      if (task.name != name) continue;
      task.overrides.doc_ids = ids;
      found = true;
    }
    if (!found) return bad_input(fmt::format("--samples {}: {} is no task of this run{}", file, name, near_names(name, known)));
  }
  return {};
}

void add_groups(std::vector<GroupSpec> groups, const std::string& row, RunPlan& plan) {
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i == 0) groups[i].row = row;
    bool known = std::any_of(plan.groups.begin(), plan.groups.end(),
                             [&](const GroupSpec& g) { return g.name == groups[i].name; });
    if (!known) plan.groups.push_back(std::move(groups[i]));
  }
}

// A task, group or tag with its tasks. A row of the tracker is the group's, where that has a score.
Status add_named(const std::string& name, PlannedTask task, const TaskRegistry& registry, RunPlan& plan) {
  QEVAL_TRY(auto leaves, registry.expand(name));
  QEVAL_TRY(auto groups, registry.groups(name));
  std::string row = task.row;
  if (leaves.size() > 1 || !groups.empty()) task.row = "";
  add_groups(std::move(groups), row, plan);
  for (const std::string& leaf : leaves) {
    task.name = leaf;
    task.pending = registry.pending(leaf);
    bool known = std::any_of(plan.tasks.begin(), plan.tasks.end(), [&](const PlannedTask& t) { return t.name == leaf; });
    if (!known) plan.tasks.push_back(task);
  }
  return {};
}

Status add_suite(const RunOptions& o, const TaskOverrides& base, bool instruct, const TaskRegistry& registry, RunPlan& plan) {
  QEVAL_TRY(Suite suite, load_suite(o.suite, o.common.include_paths));
  for (const SuiteEntry& entry : instruct ? suite.instruct : suite.base) {
    PlannedTask task{entry.task, base, entry.row, entry.pending};
    task.overrides.apply_chat_template = entry.apply_chat_template || o.apply_chat_template;
    if (entry.num_fewshot && !o.num_fewshot) task.overrides.num_fewshot = entry.num_fewshot;
    if (suite.limit && !o.limit) task.overrides.limit = suite.limit;
    if (!entry.pending.empty()) plan.tasks.push_back(std::move(task));
    else QEVAL_CHECK(add_named(entry.task, std::move(task), registry, plan));
  }
  return {};
}

Json arguments_json(const RunOptions& o) {
  Json out = {{"model", o.model}, {"engine", o.engine}, {"preset", o.preset}, {"tasks", o.tasks}, {"suite", o.suite},
              {"apply_chat_template", o.apply_chat_template}, {"seed", o.seed}, {"gen_kwargs", o.gen_kwargs},
              {"system_instruction", o.system_instruction}, {"thinking", o.thinking}, {"tool_mode", o.tool_mode}, {"set", o.set}, {"exact", o.exact}};
  if (!o.base_urls.empty()) {
    out["base_urls"] = Json::array();
    for (const std::string& url : o.base_urls) out["base_urls"].push_back(redacted_url(url));
  }
  if (!o.weights_id.empty()) out["weights_id"] = o.weights_id;
  if (!o.tokenizer.empty()) out["tokenizer"] = o.tokenizer;
  if (o.limit) out["limit"] = *o.limit;
  if (o.num_fewshot) out["num_fewshot"] = *o.num_fewshot;
  if (o.repeats) out["repeats"] = *o.repeats;
  if (o.sample_seed) out["sample_seed"] = *o.sample_seed;
  if (o.respect_batch_size) out["respect_batch_size"] = true;
  return out;
}

}  // namespace

Result<Preset> preset_with_settings(const std::string& name, const std::vector<std::string>& settings) {
  QEVAL_TRY(Preset preset, preset_named(name));
  for (const std::string& setting : settings) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorKind::usage, fmt::format("--set {}: KEY=VALUE was expected", setting));
    QEVAL_CHECK(apply_setting(preset, setting.substr(0, equals), loose_value(setting.substr(equals + 1))));
  }
  return preset;
}

EngineRequest engine_request(const RunOptions& options) {
  EngineRequest request;
  request.engine = options.engine;
  request.model = options.model;
  request.yarn_factor = options.yarn_factor;
  request.n_threads = options.n_threads;
  request.fake_script = options.fake_script;
  request.base_urls = options.base_urls;
  request.weights_id = options.weights_id;
  request.weights_as = options.weights_as == "as-is" ? "" : options.weights_as;
  request.tokenizer = options.tokenizer;
  request.vllm = options.vllm;
  request.preset.name = options.preset;
  request.settings = options.set;
  return request;
}

Status check_run_options(const RunOptions& o, const TaskRegistry& registry) {
  if (o.tasks.empty() == o.suite.empty()) return fail(ErrorKind::usage, "run needs either --tasks a,b or --suite NAME");
  for (const std::string& name : split_commas(o.tasks)) {
    if (auto leaves = registry.expand(name); !leaves) return tl::unexpected(leaves.error());
  }
  if (!o.suite.empty()) {
    if (auto suite = load_suite(o.suite, o.common.include_paths); !suite) return tl::unexpected(suite.error());
  }
  if (auto preset = preset_with_settings(o.preset, o.set); !preset) return tl::unexpected(preset.error());
  if (auto overrides = common_overrides(o); !overrides) return tl::unexpected(overrides.error());
  return {};
}

Result<RunPlan> make_run_plan(const RunOptions& o, const EnginePlan& engine, const TaskRegistry& registry) {
  RunPlan plan;
  plan.model_asked = o.model;
  plan.hf_id = engine.hf_id;
  plan.weights = engine.weights;
  plan.engine = engine.engine;
  plan.engine_version = engine.engine_version;
  plan.engine_options = engine.options;
  plan.preset = engine.preset;
  plan.suite = o.suite;
  plan.exact = o.exact;
  plan.fresh = o.fresh;
  plan.predict_only = o.predict_only;
  if (o.respect_batch_size) plan.max_in_flight = engine.preset.evaluation_batch_size;
  if (!engine.weights.verified) plan.weights_id = o.weights_id;
  plan.reuse_across_runs = engine.weights.verified || !o.weights_id.empty();
  plan.arguments = arguments_json(o);
  QEVAL_TRY(TaskOverrides base, common_overrides(o));
  // A template without a place for tools would drop them without a word.
  if (!base.tool_mode && !engine.offers_tools) base.tool_mode = ToolMode::prompt;
  base.agent_settings = agent_settings(o.set);
  base.agent_temperature = engine.preset.agent_temperature;
  QEVAL_TRY(auto samples, listed_samples(o.samples_file));
  if (!o.suite.empty()) {
    QEVAL_CHECK(add_suite(o, base, engine.is_instruct && !o.base_model, registry, plan));
  }
  for (const std::string& name : split_commas(o.tasks)) QEVAL_CHECK(add_named(name, {"", base, "", ""}, registry, plan));
  if (engine.can) {
    QEVAL_CHECK(use_generative_variants(plan, *engine.can, engine.is_instruct, registry));
  }
  QEVAL_CHECK(choose_listed(samples, o.samples_file, plan));
  return plan;
}

void add_run_options(CLI::App& app, RunOptions& o) {
  app.add_option("--model", o.model, "Registry id, GGUF path, or hf:ORG/REPO[:QUANT|FILE]; with --engine openai, the name that the server has for it")->required();
  app.add_option("--engine", o.engine, "llama (embedded), vllm (started here, see --vllm), openai (a server that is running), or fake (scripted, for tests)")
      ->capture_default_str()->check(CLI::IsMember({"llama", "vllm", "openai", "fake"}));
  app.add_option("--base-url", o.base_urls, "Engine openai: address of a server, http://HOST:PORT; several share the load. "
                                            "Its key comes from OPENAI_API_KEY or QEVAL_API_KEY");
  app.add_option("--tokenizer", o.tokenizer, "Engine openai: GGUF with the model's vocabulary, where the server has no /tokenize");
  app.add_option("--preset", o.preset, "Serving preset (see `qeval presets`)")->capture_default_str();
  app.add_option("--tasks", o.tasks, "Comma-separated tasks, groups or tags (see `qeval tasks`)");
  app.add_option("--suite", o.suite, "Named list of tasks, picked by model: tracker, reference, … (see `qeval suites`)");
  app.add_option("--limit", o.limit, "First N docs of each task, as lm-eval")->check(CLI::PositiveNumber);
  app.add_option("--num-fewshot", o.num_fewshot, "Examples in the prompt (default: the task's own)")->check(CLI::NonNegativeNumber);
  app.add_flag("--apply-chat-template", o.apply_chat_template, "Ask through the model's chat template");
  app.add_flag("--fewshot-as-multiturn,!--no-fewshot-as-multiturn", o.fewshot_as_multiturn, "Few-shot examples as turns of the chat");
  app.add_option("--seed", o.seed, "Few-shot seed")->capture_default_str();
  app.add_option("--sample-seed", o.sample_seed, "Draw --limit docs at random with this seed");
  app.add_option("--samples", o.samples_file, "JSON file {\"task\": [doc ids]}: exactly these docs");
  app.add_option("--gen-kwargs", o.gen_kwargs, "Generation settings: temperature=0.7,top_p=0.8,max_gen_toks=512");
  app.add_option("--system-instruction", o.system_instruction, "System message");
  app.add_option("--thinking", o.thinking, "on or off, sent explicitly")->check(CLI::IsMember({"on", "off"}));
  app.add_option("--thinking-budget", o.thinking_budget, "Tokens for thinking beside each answer's own limit (default 4096)")->check(CLI::NonNegativeNumber);
  app.add_option("--tool-mode", o.tool_mode,
                 "How tools are offered: native (the model's own call syntax), prompt (a system message, Python call expressions), "
                 "constrained (decoding bound to a JSON schema). Default: native where the chat template has a place for tools, else prompt")
      ->check(CLI::IsMember({"native", "prompt", "constrained"}));
  app.add_option("--repeats", o.repeats, "Samples per doc")->check(CLI::PositiveNumber);
  app.add_option("--set", o.set, "Change a setting of the preset: KEY=VALUE");
  app.add_option("--vary", o.vary, "Run once for each value and compare on the same docs: KEY=a,b (again: all combinations); "
                                   "KEY: model, preset, a setting of it, temperature and other generation settings, "
                                   "thinking, tool_mode, num_fewshot, apply_chat_template, system_instruction, seed, exact");
  app.add_flag("--respect-batch-size", o.respect_batch_size,
               "At most evaluation_batch_size requests with the engine at a time (default: as many as it takes)");
  app.add_option("--yarn-factor", o.yarn_factor, "Static YaRN context extension (off unless asked)");
  app.add_option("--threads", o.n_threads, "CPU threads (default: physical cores)");
  app.add_flag("--exact", o.exact, "One sequence per decode call: results do not depend on the batch");
  app.add_flag("--fresh", o.fresh, "Compute everything again");
  app.add_flag("--predict-only", o.predict_only, "Store answers, score nothing");
  app.add_flag("--base-model", o.base_model, "Use the suite's list for base models, whatever the file says");
  app.add_option("--weights-as", o.weights_as,
                 "Expand a quantised GGUF first, where the machine computes that faster: bf16, f16, f32, as-is (default). "
                 "Made once, kept in the cache, and shown with the weights")
      ->check(CLI::IsMember({"bf16", "f16", "f32", "as-is"}));
  app.add_option("--weights-id", o.weights_id, "Your own id of weights that cannot be verified: answers are reused across runs that give the same");
  app.add_option("--tracker", o.tracker, "Tracker document to rewrite")->capture_default_str();
  app.add_flag("--no-tracker", o.no_tracker, "Leave the tracker alone");
  app.add_option("--output-path", o.output_path, "Also write results_*.json and samples_*.jsonl in lm-eval's format");
  app.add_option("--fake-script", o.fake_script, "Engine fake: JSON file {\"answers\": [{\"contains\": \"part of a prompt\", \"text\": \"answer\"}]}");
  app.add_option("--vllm", o.vllm, "Engine vllm: the program, or its virtual environment's folder (default: vllm in PATH)");
  app.add_flag("--dry-run", o.dry_run, "Print the resolved plan, compute nothing");
  app.add_flag("--unsafe-code", o.common.unsafe_code, "Run model-written code without a sandbox where none works");
  add_store_option(app, o.common);
  add_task_source_options(app, o.common);
  add_bfcl_option(app, o.common);
  add_json_option(app, o.common);
}

}  // namespace qeval
