#include "qeval/task/task_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/task/hooks.h"

namespace qeval {
namespace {

// Keys of a task, and why those that cannot be honoured cannot.
struct Key {
  const char* name;
  const char* refused;  // null: accepted
};
constexpr Key kKeys[] = {
    {"task", nullptr}, {"task_alias", nullptr}, {"tag", nullptr}, {"group", nullptr}, {"task_list", nullptr},
    {"dataset_path", nullptr}, {"dataset_name", nullptr}, {"dataset_kwargs", nullptr}, {"training_split", nullptr},
    {"validation_split", nullptr}, {"test_split", nullptr}, {"fewshot_split", nullptr}, {"process_docs", nullptr},
    {"doc_to_text", nullptr}, {"doc_to_target", nullptr}, {"doc_to_choice", nullptr}, {"process_results", nullptr},
    {"description", nullptr}, {"target_delimiter", nullptr}, {"fewshot_delimiter", nullptr}, {"fewshot_config", nullptr},
    {"num_fewshot", nullptr}, {"metric_list", nullptr}, {"output_type", nullptr}, {"generation_kwargs", nullptr},
    {"repeats", nullptr}, {"filter_list", nullptr}, {"gen_prefix", nullptr}, {"metadata", nullptr},
    {"unsafe_code", nullptr},
    // Read only by lm-eval's contamination check, which neither harness runs unless asked.
    {"should_decontaminate", nullptr}, {"doc_to_decontamination_query", nullptr},
    {"custom_dataset", "a data set made by a Python function cannot be made here"},
    {"doc_to_image", "images cannot be given to a text model"},
    {"doc_to_audio", "audio cannot be given to a text model"},
    {"use_prompt", "Promptsource templates are not supported; write doc_to_text instead"},
    {"class", "a task that is a Python class cannot run here"},
    {"recipe", "Unitxt recipes need Python and cannot run here"},
};

constexpr const char* kFewshotKeys[] = {"sampler", "split", "process_docs", "fewshot_indices", "samples", "doc_to_text",
                                        "doc_to_target", "doc_to_choice", "gen_prefix", "fewshot_delimiter", "target_delimiter"};
constexpr const char* kDatasetKeys[] = {"data_files", "data_dir", "field", "delimiter", "sep", "column_names", "header",
                                        "revision", "trust_remote_code", "verification_mode", "streaming"};
constexpr const char* kChatKeys[] = {"messages", "tools", "docs", "json_schema"};
constexpr const char* kSyntheticKeys[] = {"level", "n", "seed"};
constexpr const char* kAgentsKeys[] = {"n", "seed"};

// Reads one mapping's values with their types; errors name the top-level key that they stand under.
class Reader {
 public:
  Reader(const MergedConfig& merged, const Json& object, std::string under = "")
      : merged_(merged), object_(object), under_(std::move(under)) {}

  Error wrong(const std::string& key, const std::string& message) const {
    return under_.empty() ? merged_.wrong(key, message) : merged_.wrong(under_, key + ": " + message);
  }
  const Json& at(const std::string& key) const {
    static const Json null;
    auto it = object_.find(key);
    return it == object_.end() ? null : *it;
  }
  bool has(const std::string& key) const { return !at(key).is_null(); }

  Result<std::string> text(const std::string& key, const std::string& fallback) const {
    const Json& value = at(key);
    if (value.is_null()) return fallback;
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number()) return value.dump();
    return fail(wrong(key, hint(value, "a text")));
  }
  Result<std::optional<std::string>> split(const std::string& key) const {
    if (!has(key)) return std::optional<std::string>();
    QEVAL_TRY(std::string name, text(key, ""));
    return std::optional<std::string>(std::move(name));
  }
  Result<int64_t> integer(const std::string& key, int64_t fallback, int64_t least, int64_t most) const {
    const Json& value = at(key);
    if (value.is_null()) return fallback;
    double real = value.is_number() ? value.get<double>() : 0.5;
    bool whole = value.is_number_integer() || (std::fabs(real) < 9e15 && real == std::floor(real));
    int64_t n = whole ? value.get<int64_t>() : 0;
    if (!whole || n < least || n > most)
      return fail(wrong(key, fmt::format("{} to {} was expected, not {}", least, most, dump_json(value).substr(0, 80))));
    return n;
  }
  Result<bool> boolean(const std::string& key, bool fallback) const {
    const Json& value = at(key);
    if (value.is_null()) return fallback;
    if (!value.is_boolean()) return fail(wrong(key, hint(value, "true or false")));
    return value.get<bool>();
  }
  // A docs hook's name, or "".
  Result<std::string> docs_hook(const std::string& key, const std::string& fallback) const {
    const Json& value = at(key);
    if (value.is_null()) return fallback;
    if (!is_hook(value)) return fail(wrong(key, hint(value, "!function")));
    QEVAL_TRY(std::string name, hook_of(merged_, under_.empty() ? key : under_, value));
    if (!is_docs_hook(name)) return fail(wrong(key, fmt::format("!function {} processes no documents", name)));
    return name;
  }
  // What doc_to_text, doc_to_target, doc_to_choice may be: text, integer, list, mapping (its values) or a hook.
  Result<Json> field(const std::string& key, bool lists) const {
    const Json& value = at(key);
    if (value.is_null() || value.is_string() || value.is_number_integer()) return value;
    if (is_hook(value)) {
      QEVAL_TRY(std::string name, hook_of(merged_, under_.empty() ? key : under_, value));
      if (!is_value_hook(name)) return fail(wrong(key, fmt::format("!function {} does not fit here", name)));
      return value;
    }
    if (lists && value.is_array()) return value;
    if (lists && value.is_object()) {
      Json values = Json::array();
      for (const Json& item : value) values.push_back(item);
      return values;
    }
    return fail(wrong(key, hint(value, lists ? "a template, a list or !function" : "a template or !function")));
  }
  Result<Json> text_or_null(const std::string& key) const {
    const Json& value = at(key);
    if (value.is_null() || value.is_string()) return value;
    return fail(wrong(key, hint(value, "a text")));
  }

 private:
  std::string hint(const Json& value, const std::string& expected) const {
    if (is_hook(value)) {
      std::string reason = json_string(value, "reason", "qeval has no counterpart for this key");
      return fmt::format("!function {}: {}", json_string(value, "!function"), reason);
    }
    std::string note = value.is_boolean() ? " (an unquoted yes or no is a boolean in YAML 1.1)" : "";
    return fmt::format("{} was expected, not {}{}", expected, dump_json(value).substr(0, 80), note);
  }
  const MergedConfig& merged_;
  const Json& object_;
  std::string under_;
};

Status check_keys(const MergedConfig& merged) {
  for (const auto& [key, value] : merged.config.items()) {
    auto known = std::find_if(std::begin(kKeys), std::end(kKeys), [&, &k = key](const Key& row) { return k == row.name; });
    if (known == std::end(kKeys)) return fail(merged.wrong(key, "unknown key"));
    if (known->refused && !value.is_null()) return fail(merged.wrong(key, known->refused));
  }
  return {};
}

template <size_t N>
Status check_sub_keys(const MergedConfig& merged, const std::string& under, const Json& object, const char* const (&known)[N]) {
  for (const auto& [key, value] : object.items())
    if (std::none_of(std::begin(known), std::end(known), [&, &k = key](const char* name) { return k == name; }))
      return fail(merged.wrong(under, fmt::format("unknown key '{}'", key)));
  return {};
}

Result<OutputType> output_type(const Reader& top) {
  QEVAL_TRY(std::string name, top.text("output_type", "generate_until"));
  for (OutputType type : {OutputType::multiple_choice, OutputType::loglikelihood, OutputType::loglikelihood_rolling,
                          OutputType::generate_until})
    if (name == to_string(type)) return type;
  return fail(top.wrong("output_type", fmt::format("'{}' is unknown; multiple_choice, loglikelihood, loglikelihood_rolling "
                                                   "or generate_until was expected", name)));
}

Result<MetricSpec> metric_of(const MergedConfig& merged, const Json& entry, bool own_results) {
  if (!entry.is_object() || !entry.contains("metric")) return fail(merged.wrong("metric_list", "each entry needs the key 'metric'"));
  Reader reader(merged, entry, "metric_list");
  MetricSpec metric;
  const Json& name = entry["metric"];
  if (is_hook(name)) {
    QEVAL_TRY(std::string hook, hook_of(merged, "metric_list", name));
    metric.name = scoring_hook(hook);
    if (!metric.name.starts_with("pass_at")) return fail(merged.wrong("metric_list", fmt::format("!function {} is no metric", hook)));
  } else {
    QEVAL_TRY(metric.name, reader.text("metric", ""));
  }
  if (is_hook(reader.at("aggregation"))) {
    QEVAL_TRY(std::string hook, hook_of(merged, "metric_list", entry["aggregation"]));
    if (scoring_hook(hook) != "agg_inst_level_acc") return fail(merged.wrong("metric_list", fmt::format("!function {} is no aggregation", hook)));
    metric.aggregation = "weighted_mean";
  } else {
    QEVAL_TRY(metric.aggregation, reader.text("aggregation", ""));
  }
  QEVAL_TRY(metric.higher_is_better, reader.boolean("higher_is_better", true));
  metric.options = Json::object();
  for (const auto& [key, value] : entry.items()) {
    if (key == "metric" || key == "aggregation" || key == "higher_is_better" || own_results) continue;
    if (is_hook(value)) return fail(merged.wrong("metric_list", fmt::format("{}: !function {} cannot run here", key, json_string(value, "!function"))));
    metric.options[key] = value;
  }
  return metric;
}

Result<FilterStep> step_of(const MergedConfig& merged, const Json& entry, Json& python_tests) {
  if (!entry.is_object() || !entry.contains("function")) return fail(merged.wrong("filter_list", "each step needs the key 'function'"));
  if (is_hook(entry["function"])) {
    QEVAL_TRY(std::string hook, hook_of(merged, "filter_list", entry["function"]));
    return fail(merged.wrong("filter_list", fmt::format("!function {} is no filter", hook)));
  }
  FilterStep step;
  QEVAL_TRY(step.function, Reader(merged, entry, "filter_list").text("function", ""));
  step.arguments = Json::object();
  for (const auto& [key, value] : entry.items()) {
    if (key == "function") continue;
    step.arguments[key] = value;
    if (!is_hook(value)) continue;
    QEVAL_TRY(std::string hook, hook_of(merged, "filter_list", value));
    std::string name = scoring_hook(hook);
    if (name.empty()) return fail(merged.wrong("filter_list", fmt::format("{}: !function {} is no filter", key, hook)));
    step.arguments[key] = name;
    bool prompt = hook.starts_with("humaneval/");
    python_tests["prepend_prompt"] = prompt;
    python_tests["extract"] = !prompt ? "first_fence" : name == "build_predictions_instruct" ? "fence_cut" : "raw";
  }
  return step;
}

Status read_filters(const MergedConfig& merged, const Json& list, ScoringSpec& scoring, Json& python_tests) {
  if (list.is_null()) return {};
  if (!list.is_array() && !list.is_object()) return fail(merged.wrong("filter_list", "a list of filter pipelines was expected"));
  for (const Json& entry : list) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() || !entry.contains("filter") || !entry["filter"].is_array())
      return fail(merged.wrong("filter_list", "each pipeline needs a 'name' and a list 'filter'"));
    for (const auto& [key, value] : entry.items())
      if (key != "name" && key != "filter") return fail(merged.wrong("filter_list", fmt::format("unknown key '{}' in a pipeline", key)));
    FilterPipeline pipeline;
    pipeline.name = entry["name"].get<std::string>();
    for (const Json& step : entry["filter"]) {
      QEVAL_TRY(FilterStep made, step_of(merged, step, python_tests));
      pipeline.steps.push_back(std::move(made));
    }
    scoring.filters.push_back(std::move(pipeline));
  }
  return {};
}

Status read_scoring(const Reader& top, const MergedConfig& merged, ScoringSpec& scoring) {
  bool own_results = top.has("process_results");
  if (own_results) {
    const Json& value = top.at("process_results");
    if (!is_hook(value)) return fail(top.wrong("process_results", "!function was expected"));
    QEVAL_TRY(std::string hook, hook_of(merged, "process_results", value));
    if (scoring_hook(hook) == "process_results_mc2") scoring.scorer = "truthfulqa_mc2";
    else if (hook == "ifeval/utils.process_results") scoring.scorer = "ifeval";
    else return fail(top.wrong("process_results", fmt::format("!function {} scores no documents", hook)));
  }
  const Json& metrics = top.at("metric_list");
  if (!metrics.is_null() && !metrics.is_array()) return fail(top.wrong("metric_list", "a list was expected"));
  bool runs_code = false;
  for (const Json& entry : metrics) {
    QEVAL_TRY(MetricSpec metric, metric_of(merged, entry, own_results));
    runs_code = runs_code || is_hook(entry["metric"]);
    if (metric.name == "rating") scoring.scorer = "judge";
    scoring.metrics.push_back(std::move(metric));
  }
  Json python_tests = {{"prepend_prompt", false}, {"timeout_s", 3.0}, {"extract", "raw"}};
  QEVAL_CHECK(read_filters(merged, top.at("filter_list"), scoring, python_tests));
  if (runs_code) {
    scoring.scorer = "python_tests";
    scoring.scorer_options = std::move(python_tests);
  }
  return {};
}

Status read_indices(const Reader& reader, std::vector<size_t>& out) {
  const Json& list = reader.at("fewshot_indices");
  if (list.is_null()) return {};
  if (!list.is_array()) return fail(reader.wrong("fewshot_indices", "a list of indices was expected"));
  for (const Json& index : list) {
    if (!index.is_number_integer() || index.get<int64_t>() < 0) return fail(reader.wrong("fewshot_indices", "a list of indices was expected"));
    out.push_back(index.get<size_t>());
  }
  return {};
}

Status read_samples(const Reader& reader, const MergedConfig& merged, FewshotConfig& out) {
  const Json& samples = reader.at("samples");
  if (is_hook(samples)) {
    QEVAL_TRY(out.samples_hook, hook_of(merged, "fewshot_config", samples));
    if (!is_samples_hook(out.samples_hook)) return fail(reader.wrong("samples", fmt::format("!function {} lists no samples", out.samples_hook)));
    return {};
  }
  if (!samples.is_null() && !samples.is_array()) return fail(reader.wrong("samples", "a list of documents was expected"));
  for (const Json& doc : samples)
    if (!doc.is_object()) return fail(reader.wrong("samples", "each sample must be a mapping of fields"));
  out.samples = samples;
  return {};
}

Status read_fewshot(const Reader& top, const MergedConfig& merged, TaskConfig& task) {
  static const Json empty = Json::object();
  const Json& config = top.has("fewshot_config") ? top.at("fewshot_config") : empty;
  if (!config.is_object()) return fail(top.wrong("fewshot_config", "a mapping was expected"));
  QEVAL_CHECK(check_sub_keys(merged, "fewshot_config", config, kFewshotKeys));
  Reader reader(merged, config, "fewshot_config");
  FewshotConfig& out = task.fewshot;
  if (is_hook(reader.at("sampler"))) return fail(reader.wrong("sampler", "a Python sampler cannot run here; default or first_n was expected"));
  QEVAL_TRY(out.sampler, reader.text("sampler", "default"));
  if (out.sampler != "default" && out.sampler != "first_n")
    return fail(reader.wrong("sampler", fmt::format("'{}' is unknown; default or first_n was expected", out.sampler)));
  QEVAL_TRY(out.split, top.split("fewshot_split"));
  if (reader.has("split")) {
    QEVAL_TRY(out.split, reader.split("split"));
  }
  QEVAL_CHECK(read_samples(reader, merged, out));
  QEVAL_CHECK(read_indices(reader, out.indices));
  QEVAL_TRY(out.process_docs, reader.docs_hook("process_docs", task.process_docs));
  QEVAL_TRY(out.doc_to_text, reader.field("doc_to_text", false));
  QEVAL_TRY(out.doc_to_target, reader.field("doc_to_target", true));
  QEVAL_TRY(out.doc_to_choice, reader.field("doc_to_choice", true));
  QEVAL_TRY(out.gen_prefix, reader.text_or_null("gen_prefix"));
  if (out.doc_to_text.is_null()) out.doc_to_text = task.doc_to_text;
  if (out.doc_to_target.is_null()) out.doc_to_target = task.doc_to_target;
  if (out.doc_to_choice.is_null()) out.doc_to_choice = task.doc_to_choice;
  if (out.gen_prefix.is_null()) out.gen_prefix = task.gen_prefix;
  QEVAL_TRY(out.target_delimiter, reader.text("target_delimiter", task.target_delimiter));
  QEVAL_TRY(out.fewshot_delimiter, reader.text("fewshot_delimiter", task.fewshot_delimiter));
  return {};
}

// chat: columns that hold the conversation; scorer and its options; tool_mode and thinking as the task means them.
Status read_asking(const MergedConfig& merged, const Reader& metadata, TaskConfig& task) {
  static const Json empty = Json::object();
  const Json& chat = metadata.at("chat").is_object() ? metadata.at("chat") : empty;
  QEVAL_CHECK(check_sub_keys(merged, "metadata", chat, kChatKeys));
  Reader columns(merged, chat, "metadata");
  QEVAL_TRY(task.chat.messages, columns.text("messages", ""));
  QEVAL_TRY(task.chat.tools, columns.text("tools", ""));
  QEVAL_TRY(task.chat.docs, columns.text("docs", ""));
  QEVAL_TRY(task.chat.json_schema, columns.text("json_schema", ""));
  TaskSpec& spec = task.spec;
  QEVAL_TRY(std::string scorer, metadata.text("scorer", ""));
  if (!scorer.empty()) {
    spec.scoring.scorer = scorer;
    spec.scoring.scorer_options = metadata.at("scorer_options").is_object() ? metadata.at("scorer_options") : empty;
  }
  bool binds = !task.chat.tools.empty() || !task.chat.json_schema.empty();
  QEVAL_TRY(spec.tool_mode, metadata.text("tool_mode", binds ? "native" : ""));
  if (!spec.tool_mode.empty() && !tool_mode_from(spec.tool_mode))
    return fail(metadata.wrong("tool_mode", "native, prompt or constrained was expected"));
  if (metadata.has("thinking")) {
    QEVAL_TRY(spec.thinking, metadata.boolean("thinking", false));
  }
  return {};
}

Status read_metadata(const Reader& top, const MergedConfig& merged, TaskConfig& task) {
  TaskSpec& spec = task.spec;
  static const Json empty = Json::object();
  const Json& metadata = top.at("metadata").is_object() ? top.at("metadata") : empty;
  Reader reader(merged, metadata, "metadata");
  QEVAL_TRY(std::string alias, top.text("task_alias", spec.name));
  QEVAL_TRY(spec.version, reader.text("version", "0"));
  QEVAL_TRY(spec.title, reader.text("title", alias));
  QEVAL_TRY(spec.category, reader.text("category", ""));
  QEVAL_TRY(spec.dataset_title, reader.text("family", spec.name));
  QEVAL_TRY(spec.protocol_note, reader.text("protocol_note", ""));
  QEVAL_CHECK(read_asking(merged, reader, task));
  const Json& chance = reader.at("chance");
  if (!chance.is_null()) {
    if (!chance.is_number() || chance.get<double>() < 0 || chance.get<double>() > 1) return fail(reader.wrong("chance", "0 to 1 was expected"));
    spec.scoring.chance = chance.get<double>();
  }
  return {};
}

Status read_dataset(const Reader& top, const MergedConfig& merged, TaskConfig& task) {
  QEVAL_TRY(task.dataset_path, top.text("dataset_path", ""));
  if (task.dataset_path.empty()) return fail(top.wrong("dataset_path", "is missing"));
  QEVAL_TRY(task.dataset_name, top.text("dataset_name", ""));
  task.dataset_kwargs = top.has("dataset_kwargs") ? top.at("dataset_kwargs") : Json::object();
  if (!task.dataset_kwargs.is_object()) return fail(top.wrong("dataset_kwargs", "a mapping was expected"));
  if (task.dataset_path == "agents") {
    QEVAL_CHECK(check_sub_keys(merged, "dataset_kwargs", task.dataset_kwargs, kAgentsKeys));
  } else if (task.dataset_path == "synthetic") {
    QEVAL_CHECK(check_sub_keys(merged, "dataset_kwargs", task.dataset_kwargs, kSyntheticKeys));
    for (const auto& [key, value] : task.dataset_kwargs.items())
      if (!value.is_number_integer()) return fail(top.wrong("dataset_kwargs", fmt::format("{}: a whole number was expected", key)));
  } else {
    QEVAL_CHECK(check_sub_keys(merged, "dataset_kwargs", task.dataset_kwargs, kDatasetKeys));
  }
  QEVAL_TRY(task.training_split, top.split("training_split"));
  QEVAL_TRY(task.validation_split, top.split("validation_split"));
  QEVAL_TRY(task.test_split, top.split("test_split"));
  if (!task.eval_split()) return fail(top.wrong("test_split", "neither test_split nor validation_split is set: nothing to evaluate"));
  QEVAL_TRY(task.process_docs, top.docs_hook("process_docs", ""));
  return {};
}

Status read_prompt(const Reader& top, TaskConfig& task) {
  QEVAL_TRY(task.doc_to_text, top.field("doc_to_text", false));
  QEVAL_TRY(task.doc_to_target, top.field("doc_to_target", true));
  QEVAL_TRY(task.doc_to_choice, top.field("doc_to_choice", true));
  if (task.doc_to_choice.is_number()) return fail(top.wrong("doc_to_choice", "a template, a list or !function was expected"));
  if (task.doc_to_text.is_null()) return fail(top.wrong("doc_to_text", "is missing"));
  if (task.doc_to_target.is_null()) return fail(top.wrong("doc_to_target", "is missing"));
  if (task.spec.scoring.output_type == OutputType::multiple_choice && task.doc_to_choice.is_null())
    return fail(top.wrong("doc_to_choice", "is missing, and output_type is multiple_choice"));
  QEVAL_TRY(task.gen_prefix, top.text_or_null("gen_prefix"));
  QEVAL_TRY(task.description, top.text_or_null("description"));
  QEVAL_TRY(task.target_delimiter, top.text("target_delimiter", " "));
  QEVAL_TRY(task.fewshot_delimiter, top.text("fewshot_delimiter", "\n\n"));
  return {};
}

Status read_agent(const MergedConfig& merged, TaskConfig& task) {
  const Json& config = merged.config;
  if (!config.contains("metadata") || !config["metadata"].is_object() || !config["metadata"].contains("agent")) return {};
  auto workflow = agent::workflow_from_json(config["metadata"]["agent"]);
  if (!workflow) return fail(merged.wrong("metadata", workflow.error().message));
  if (task.spec.scoring.output_type != OutputType::generate_until) return fail(merged.wrong("output_type", "an agent's task needs generate_until"));
  task.workflow = std::move(*workflow);
  task.spec.scoring.scorer = "agent";
  return {};
}

Status read_user_turns(const MergedConfig& merged, TaskConfig& task) {
  const Json& config = merged.config;
  if (!config.contains("metadata") || !config["metadata"].is_object()) return {};
  QEVAL_TRY(task.user_turns, Reader(merged, config["metadata"], "metadata").boolean("user_turns", false));
  if (!task.user_turns) return {};
  if (task.spec.scoring.output_type != OutputType::generate_until) return fail(merged.wrong("output_type", "user_turns need generate_until"));
  task.spec.scoring.scorer = "user_turns";
  if (task.spec.tool_mode.empty()) task.spec.tool_mode = to_string(ToolMode::native);
  return {};
}

}  // namespace

Result<TaskConfig> parse_task_config(std::shared_ptr<const MergedConfig> source) {
  const MergedConfig& merged = *source;
  QEVAL_CHECK(check_keys(merged));
  Reader top(merged, merged.config);
  TaskConfig task;
  task.merged = source;
  task.spec.file = merged.file.path;
  task.spec.config = merged.config;
  QEVAL_TRY(task.spec.name, top.text("task", ""));
  if (task.spec.name.empty()) return fail(top.wrong("task", "is missing"));
  QEVAL_TRY(task.spec.scoring.output_type, output_type(top));
  QEVAL_CHECK(read_dataset(top, merged, task));
  QEVAL_CHECK(read_prompt(top, task));
  QEVAL_CHECK(read_fewshot(top, merged, task));
  QEVAL_CHECK(read_scoring(top, merged, task.spec.scoring));
  QEVAL_CHECK(read_metadata(top, merged, task));
  QEVAL_CHECK(read_agent(merged, task));
  QEVAL_CHECK(read_user_turns(merged, task));
  QEVAL_TRY(task.conversation, parse_conversation(merged));
  task.spec.always_chat = task.workflow.has_value() || task.user_turns || task.conversation.is_one();
  QEVAL_TRY(int64_t n_fewshot, top.integer("num_fewshot", 0, 0, 1000));
  QEVAL_TRY(int64_t repeats, top.integer("repeats", 1, 1, 100000));
  QEVAL_CHECK(top.boolean("unsafe_code", false));
  task.spec.num_fewshot = static_cast<int>(n_fewshot);
  task.spec.repeats = static_cast<int>(repeats);
  task.generation_kwargs = top.has("generation_kwargs") ? top.at("generation_kwargs") : Json::object();
  if (!task.generation_kwargs.is_object()) return fail(top.wrong("generation_kwargs", "a mapping was expected"));
  auto generation = parse_generation(task.generation_kwargs, task.fewshot_delimiter, Json::object());
  if (!generation) return fail(top.wrong("generation_kwargs", generation.error().message));
  if (task.spec.scoring.output_type == OutputType::generate_until) task.spec.scoring.until = generation->until;
  return task;
}

}  // namespace qeval
