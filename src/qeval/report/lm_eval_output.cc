#include "qeval/report/lm_eval_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "qeval/report/run_view.h"
#include "qeval/text/python_literal.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#include "qeval/util/version.h"

namespace qeval {
namespace {

constexpr const char* kFormatOf = "0.4.13";

// As lm-eval's names: "Qwen/Qwen2.5" is Qwen__Qwen2.5. Names come from model files, so nothing may lead out of the
// folder.
std::string safe_name(const std::string& name) {
  constexpr std::string_view kReplaced = "\"<>:/|\\?*[]";
  constexpr size_t kLongest = 120;
  std::string out;
  for (size_t i = 0; i < name.size() && out.size() < kLongest; ++i) {
    char c = name[i];
    bool replaced = kReplaced.find(c) != std::string_view::npos;
    if (replaced && i > 0 && kReplaced.find(name[i - 1]) != std::string_view::npos) continue;
    if (replaced)
      out += "__";
    else
      out += c > ' ' && c < 127 ? c : '_';
  }
  bool dots = out.find_first_not_of('.') == std::string::npos;
  return dots ? "_" + out : out;
}

// 2026-11-26T00-10-00.123000: Python's isoformat() in UTC, as lm-eval names its files. Below a second, so that runs
// that end in the same one do not overwrite each other.
std::string file_time(int64_t utc_ms) {
  std::string iso = utc_iso(utc_ms);
  std::replace(iso.begin(), iso.end(), ':', '-');
  if (iso.ends_with('Z')) iso.pop_back();
  return fmt::format("{}.{:06}", iso, utc_ms % 1000 * 1000);
}

// lm-eval writes its versions as numbers.
Json version_number(const std::string& version) {
  char* end = nullptr;
  double value = std::strtod(version.c_str(), &end);
  return !version.empty() && *end == 0 && std::isfinite(value) ? Json(value) : Json(version);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json("N/A"); }

// The text, or the messages as lm-eval hands them to a chat interface.
std::string prompt_of(const Request& r) {
  if (const auto* chat = std::get_if<ChatPrompt>(&r.prompt)) return dump_json(to_json(*chat)["messages"]);
  return prompt_text(r.prompt);
}

// One instance per entry: repeats of a generation are answers to one instance, as lm-eval keeps them.
std::vector<std::vector<size_t>> instances_of(const SampleRecord& s) {
  std::vector<std::vector<size_t>> out;
  for (size_t i = 0; i < s.requests.size(); ++i) {
    // The turns of a conversation are instances of their own: there the repeats begin anew.
    if (i > 0 && s.requests[i].repeat > s.requests[i - 1].repeat)
      out.back().push_back(i);
    else
      out.push_back({i});
  }
  return out;
}

Json generation_arguments(const Request& r) {
  Json out = {{"until", r.until}, {"max_gen_toks", r.max_new_tokens}, {"do_sample", r.sampling.temperature > 0}};
  if (r.sampling.temperature > 0) {
    out["temperature"] = r.sampling.temperature;
    out["top_p"] = r.sampling.top_p;
    if (r.sampling.top_k > 0) out["top_k"] = r.sampling.top_k;
    if (r.sampling.min_p > 0) out["min_p"] = r.sampling.min_p;
  }
  return out;
}

Json arguments_of(const SampleRecord& s, const std::vector<std::vector<size_t>>& instances) {
  Json out = Json::object();
  for (size_t i = 0; i < instances.size(); ++i) {
    const Request& r = s.requests[instances[i][0]];
    Json args = {{"arg_0", prompt_of(r)}};
    if (r.kind == RequestKind::loglikelihood) args["arg_1"] = r.continuation;
    if (r.kind == RequestKind::generate) args["arg_1"] = generation_arguments(r);
    out[fmt::format("gen_args_{}", i)] = std::move(args);
  }
  return out;
}

Json response_of(const Request& request, const Response& r) {
  if (request.kind == RequestKind::generate) return r.text;
  if (request.kind == RequestKind::loglikelihood_rolling) return python_float_repr(r.logprob_nats);
  return Json::array({python_float_repr(r.logprob_nats), r.is_greedy ? "True" : "False"});
}

// A line per doc and filter, as lm-eval writes them; failure_class is ours. Without a score: of an answer that was only stored.
Json sample_line(const SampleRecord& s, const Score* score) {
  auto instances = instances_of(s);
  Json responses = Json::array(), filtered = Json::array();
  for (const auto& instance : instances) {
    Json answers = Json::array();
    for (size_t i : instance)
      if (i < s.responses.size()) answers.push_back(response_of(s.requests[i], s.responses[i]));
    bool extracted = score && s.requests[instance[0]].kind == RequestKind::generate;
    filtered.push_back(extracted ? Json(score->extracted) : answers.empty() ? Json() : answers[0]);
    responses.push_back(std::move(answers));
  }
  bool known = s.sample.is_object();
  Json line = {{"doc_id", s.doc_id},
               {"doc", known && s.sample.contains("doc") ? s.sample["doc"] : Json()},
               {"target", json_string(s.sample, "target")},
               {"arguments", arguments_of(s, instances)},
               {"resps", std::move(responses)},
               {"filtered_resps", std::move(filtered)},
               {"filter", score ? score->filter : "none"}};
  static const decltype(Score::metrics) kNone;
  const auto& metrics = score ? score->metrics : kNone;
  Json names = Json::array();
  for (const auto& [name, value] : metrics) names.push_back(name);
  line["metrics"] = std::move(names);
  line["doc_hash"] = json_string(s.sample, "doc_hash");
  line["prompt_hash"] = sha256_hex(s.requests.empty() ? "" : prompt_of(s.requests[0]));
  line["target_hash"] = sha256_hex(json_string(s.sample, "target"));
  for (const auto& [name, value] : metrics) line[name] = number(value);
  if (score) line["failure_class"] = to_string(score->failure_class);
  return line;
}

Status write_samples(const Store& store, RunId run, const std::string& task, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  if (!out) return fail(ErrorKind::environment, fmt::format("{}: cannot be written", path));
  // All docs of one filter, then those of the next, as lm-eval; a pass for each, so that no more than a sample is held.
  size_t n_filters = 1;
  for (size_t filter = 0; filter < n_filters; ++filter) {
    QEVAL_CHECK(store.for_each_sample(run, task, [&](SampleRecord&& s) {
      n_filters = std::max(n_filters, s.scores.size());
      const Score* score = filter < s.scores.size() ? &s.scores[filter] : nullptr;
      if (score || (filter == 0 && !s.responses.empty())) out << dump_json(sample_line(s, score)) << "\n";
      return static_cast<bool>(out);
    }));
  }
  out.flush();
  if (!out) return fail(ErrorKind::environment, fmt::format("{}: writing failed (disk full?)", path));
  return {};
}

Json results_of(const TaskSummary& t) {
  Json out = {{"name", t.task}, {"alias", t.task}, {"sample_len", t.n_docs}};
  for (const MetricSummary& m : t.metrics) {
    out[fmt::format("{},{}", m.metric, m.filter)] = number(m.value);
    out[fmt::format("{}_stderr,{}", m.metric, m.filter)] = number(m.stderr_value);
  }
  return out;
}

Json at(const Json& json, const char* key) { return json.is_object() && json.contains(key) ? json[key] : Json(); }

Json run_config(const RunView& v) {
  Json arguments = at(v.run.spec, "arguments"), identity_seed = at(arguments, "seed");
  Json overrides = at(arguments, "gen_kwargs");
  return {{"model", v.engine_name},
          {"model_args",
           {{"pretrained", v.weights.source.empty() ? v.weights_name() : v.weights.source},
            {"engine_options", at(v.run.spec, "engine_options")}}},
          {"model_num_parameters", static_cast<int64_t>(std::llround(v.weights.params_b * 1e9))},
          {"model_dtype", v.weights.quantization},
          {"model_revision", v.weights.revision},
          {"model_sha", v.weights.sha256},
          {"batch_size", at(at(v.run.spec, "preset"), "max_num_seqs")},
          {"batch_sizes", Json::array()},
          {"device", v.device},
          {"use_cache", nullptr},
          {"limit", at(arguments, "limit")},
          {"bootstrap_iters", 1000},
          {"gen_kwargs", overrides.is_string() && overrides == "" ? Json() : overrides},
          {"random_seed", identity_seed},
          {"numpy_seed", identity_seed},
          {"torch_seed", identity_seed},
          {"fewshot_seed", identity_seed}};
}

// What each task contributes to the document, key by key.
Json task_parts(const RunView& v, const std::vector<TaskRecord>& records) {
  Json out;
  for (const char* key :
       {"results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "task_hashes"})
    out[key] = Json::object();
  for (const TaskSummary& t : v.tasks) {
    Json directions = Json::object();
    for (const MetricSummary& m : t.metrics) directions[m.metric] = m.higher_is_better;
    out["results"][t.task] = results_of(t);
    out["group_subtasks"][t.task] = Json::array();
    out["n-shot"][t.task] = t.num_fewshot;
    out["higher_is_better"][t.task] = std::move(directions);
  }
  for (const TaskRecord& r : records) {
    out["configs"][r.task] = r.config;
    out["versions"][r.task] = version_number(r.version);
    out["n-samples"][r.task] = {{"original", r.n_docs_total}, {"effective", r.n_docs}};
    out["task_hashes"][r.task] = sha256_hex(canonical_json(r.identity));
  }
  return out;
}

void add_groups(const RunView& v, Json& out) {
  for (const GroupView& g : v.groups) {
    const std::string& name = g.spec.name;
    Json directions = Json::object();
    for (const MetricSummary& m : g.summary.metrics) directions[m.metric] = m.higher_is_better;
    out["results"][name] = results_of(g.summary);
    out["groups"][name] = out["results"][name];
    out["group_subtasks"][name] = g.spec.members;
    out["higher_is_better"][name] = std::move(directions);
    if (g.summary.num_fewshot >= 0) out["n-shot"][name] = g.summary.num_fewshot;
    if (!g.spec.version.empty()) out["versions"][name] = version_number(g.spec.version);
  }
}

// The host in lines, where lm-eval's readers look for it.
std::string environment_text(const RunView& v) {
  std::string out = fmt::format("qeval {}, engine {} {}", kQevalVersion, v.engine_name, v.engine_version);
  if (!v.device.empty()) out += " on " + v.device;
  if (!v.run.environment.is_object()) return out;
  for (const auto& [key, value] : v.run.environment.items())
    if (key != "engine" && key != "weights")
      out += fmt::format("\n{}: {}", key, json_text(value));
  return out;
}

Json results_document(const RunView& v, const std::vector<TaskRecord>& records) {
  Json out = task_parts(v, records), hashes = std::move(out["task_hashes"]), arguments = at(v.run.spec, "arguments");
  out.erase("task_hashes");
  add_groups(v, out);
  double start = static_cast<double>(v.run.started_ms) / 1000, end = static_cast<double>(v.when_ms()) / 1000;
  bool chat = std::any_of(v.tasks.begin(), v.tasks.end(), [](const TaskSummary& t) { return t.chat_template; });
  std::string system = json_string(arguments, "system_instruction");
  out["config"] = run_config(v);
  out["git_hash"] = nullptr;
  out["date"] = start;
  out["pretty_env_info"] = environment_text(v);
  out["transformers_version"] = "N/A (not used)";
  out["lm_eval_version"] = fmt::format("N/A (written by qeval {} in the format of lm-eval {})", kQevalVersion, kFormatOf);
  out["upper_git_hash"] = nullptr;
  out["qeval_version"] = kQevalVersion;
  out["qeval_run"] = v.run.id;
  out["qeval_status"] = to_string(v.run.status);
  out["task_hashes"] = std::move(hashes);
  out["model_source"] = v.engine_name;
  out["model_name"] = v.weights_name();
  out["model_name_sanitized"] = safe_name(v.weights_name());
  out["system_instruction"] = system.empty() ? Json() : Json(system);
  out["system_instruction_sha"] = system.empty() ? Json() : Json(sha256_hex(system));
  out["fewshot_as_multiturn"] = chat && json_bool(arguments, "fewshot_as_multiturn", true);
  out["chat_template"] = nullptr;
  out["chat_template_sha"] = chat ? Json(v.weights.chat_template_hash) : Json();
  out["start_time"] = start;
  out["end_time"] = end;
  out["total_evaluation_time_seconds"] = fmt::format("{:.3f}", end - start);
  return out;
}

}  // namespace

Result<std::vector<std::string>> write_lm_eval_output(const Store& store, RunId run, const std::string& folder) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}", store.path(), run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  RunView view = view_of(*record, tasks);
  std::string iso = file_time(view.when_ms());
  std::string base = fmt::format("{}/{}", folder, safe_name(view.weights_name()));
  QEVAL_CHECK(make_directories(base));
  std::vector<std::string> files{fmt::format("{}/results_{}.json", base, iso)};
  QEVAL_CHECK(write_file_atomic(files[0], dump_json(results_document(view, tasks), 2) + "\n"));
  for (const TaskRecord& t : tasks) {
    files.push_back(fmt::format("{}/samples_{}_{}.jsonl", base, safe_name(t.task), iso));
    QEVAL_CHECK(write_samples(store, run, t.task, files.back()));
  }
  return files;
}

}  // namespace qeval
