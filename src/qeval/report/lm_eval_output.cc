#include "qeval/report/lm_eval_output.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "qeval/report/run_view.h"
#include "qeval/text/python_literal.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

std::string safe_name(const std::string& name) {
  std::string out;
  for (char c : name) out += std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' ? c : '_';
  return out;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json("N/A"); }

Json arguments_of(const SampleRecord& s) {
  Json out = Json::object();
  for (size_t i = 0; i < s.requests.size(); ++i) {
    const Request& r = s.requests[i];
    Json args = {{"arg_0", prompt_text(r.prompt)}};
    if (r.kind == RequestKind::loglikelihood) {
      args["arg_1"] = r.continuation;
    } else if (r.kind == RequestKind::generate) {
      args["arg_1"] = {{"until", r.until}, {"max_gen_toks", r.max_new_tokens}, {"do_sample", r.sampling.temperature > 0}};
      if (r.sampling.temperature > 0) args["arg_1"]["temperature"] = r.sampling.temperature;
    }
    out[fmt::format("gen_args_{}", i)] = args;
  }
  return out;
}

Json response_of(const Request& request, const Response& r) {
  if (request.kind == RequestKind::generate) return r.text;
  return Json::array({python_float_repr(r.logprob_nats), r.is_greedy ? "True" : "False"});
}

// A line per doc and filter, as lm-eval writes them.
Json sample_line(const SampleRecord& s, const Score& score) {
  Json responses = Json::array(), filtered = Json::array();
  for (size_t i = 0; i < s.requests.size() && i < s.responses.size(); ++i) {
    Json one = response_of(s.requests[i], s.responses[i]);
    responses.push_back(Json::array({one}));
    if (s.requests[i].kind != RequestKind::generate) filtered.push_back(one);
  }
  if (filtered.empty()) filtered.push_back(score.extracted);
  Json line = {{"doc_id", s.doc_id}, {"doc", s.sample.contains("doc") ? s.sample["doc"] : Json()},
               {"target", json_string(s.sample, "target")}, {"arguments", arguments_of(s)}, {"resps", responses},
               {"filtered_resps", filtered}, {"filter", score.filter}};
  Json names = Json::array();
  for (const auto& [name, value] : score.metrics) names.push_back(name);
  line["metrics"] = names;
  line["doc_hash"] = json_string(s.sample, "doc_hash");
  line["prompt_hash"] = sha256_hex(s.requests.empty() ? "" : prompt_text(s.requests[0].prompt));
  line["target_hash"] = sha256_hex(json_string(s.sample, "target"));
  for (const auto& [name, value] : score.metrics) line[name] = value;
  line["failure_class"] = to_string(score.failure_class);
  return line;
}

Status write_samples(const Store& store, RunId run, const std::string& task, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  if (!out) return fail(ErrorKind::environment, fmt::format("{}: cannot be written", path));
  QEVAL_CHECK(store.for_each_sample(run, task, [&](SampleRecord&& s) {
    for (const Score& score : s.scores) out << dump_json(sample_line(s, score)) << "\n";
    return static_cast<bool>(out);
  }));
  out.flush();
  if (!out) return fail(ErrorKind::environment, fmt::format("{}: writing failed (disk full?)", path));
  return {};
}

Json results_of(const TaskSummary& t) {
  Json out = {{"alias", t.task}};
  for (const MetricSummary& m : t.metrics) {
    out[fmt::format("{},{}", m.metric, m.filter)] = number(m.value);
    out[fmt::format("{}_stderr,{}", m.metric, m.filter)] = number(m.stderr_value);
  }
  return out;
}

Json results_document(const RunView& v, const std::vector<TaskRecord>& records) {
  Json results = Json::object(), configs = Json::object(), versions = Json::object(), shots = Json::object();
  Json higher = Json::object(), samples = Json::object(), hashes = Json::object(), subtasks = Json::object();
  for (const TaskSummary& t : v.tasks) {
    results[t.task] = results_of(t);
    shots[t.task] = t.num_fewshot;
    Json directions = Json::object();
    for (const MetricSummary& m : t.metrics) directions[m.metric] = m.higher_is_better;
    higher[t.task] = directions;
    subtasks[t.task] = Json::array();
  }
  for (const TaskRecord& r : records) {
    configs[r.task] = r.config;
    versions[r.task] = r.version;
    samples[r.task] = {{"original", r.n_docs_total}, {"effective", r.n_docs}};
    hashes[r.task] = sha256_hex(canonical_json(r.identity));
  }
  const Json& arguments = v.run.spec.contains("arguments") ? v.run.spec["arguments"] : Json();
  Json config = {{"model", v.engine_name}, {"model_args", v.weights.source}, {"model_num_parameters", static_cast<int64_t>(v.weights.params_b * 1e9)},
                 {"batch_size", v.run.spec["preset"].contains("max_num_seqs") ? v.run.spec["preset"]["max_num_seqs"] : Json()},
                 {"device", v.device}, {"limit", arguments.contains("limit") ? arguments["limit"] : Json()},
                 {"gen_kwargs", json_string(arguments, "gen_kwargs")}, {"random_seed", json_int(arguments, "seed")},
                 {"fewshot_seed", json_int(arguments, "seed")}};
  double seconds = static_cast<double>(v.run.ended_ms - v.run.started_ms) / 1000;
  return {{"results", results}, {"group_subtasks", subtasks}, {"configs", configs}, {"versions", versions}, {"n-shot", shots},
          {"higher_is_better", higher}, {"n-samples", samples}, {"config", config}, {"git_hash", nullptr},
          {"date", static_cast<double>(v.run.started_ms) / 1000}, {"task_hashes", hashes}, {"model_source", v.engine_name},
          {"model_name", v.weights_name()}, {"model_name_sanitized", safe_name(v.weights_name())},
          {"chat_template_sha", v.weights.chat_template_hash}, {"start_time", static_cast<double>(v.run.started_ms) / 1000},
          {"end_time", static_cast<double>(v.run.ended_ms) / 1000}, {"total_evaluation_time_seconds", fmt::format("{:.3f}", seconds)}};
}

}  // namespace

Result<std::vector<std::string>> write_lm_eval_output(const Store& store, RunId run, const std::string& folder) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}", store.path(), run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  std::vector<TaskSummary> summaries;
  for (const TaskRecord& t : tasks)
    if (t.summary.is_object()) summaries.push_back(task_summary_from_json(t.summary));
  RunView view = view_of(*record, summaries);
  std::string iso = utc_iso(record->ended_ms ? record->ended_ms : record->started_ms);
  for (char& c : iso)
    if (c == ':') c = '-';
  if (!iso.empty() && iso.back() == 'Z') iso.pop_back();
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
