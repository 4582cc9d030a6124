#include "qeval/core/task_summary.h"

#include <cmath>
#include <limits>

namespace qeval {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double number_or_nan(const Json& json, const char* key) {
  return json_number(json, key, std::numeric_limits<double>::quiet_NaN());
}

template <typename T>
void put(Json& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = *value;
}
template <typename T>
void get(const Json& json, const char* key, std::optional<T>& value) {
  if (json.is_object() && json.contains(key) && json[key].is_number()) value = json[key].get<T>();
}

Json to_json(const PublishedMatch& match) {
  const PublishedScore& p = match.published;
  return {{"hf_id", p.hf_id}, {"task_family", p.task_family}, {"task", p.task}, {"metric", p.metric},
          {"filter", p.filter}, {"num_fewshot", p.num_fewshot}, {"value", p.value}, {"source", p.source},
          {"settings", p.settings}, {"in_line", match.in_line}};
}

PublishedMatch published_from_json(const Json& j) {
  PublishedMatch match;
  PublishedScore& p = match.published;
  p.hf_id = json_string(j, "hf_id");
  p.task_family = json_string(j, "task_family");
  p.task = json_string(j, "task");
  p.metric = json_string(j, "metric");
  p.filter = json_string(j, "filter");
  p.num_fewshot = static_cast<int>(json_int(j, "num_fewshot", -1));
  p.value = json_number(j, "value");
  p.source = json_string(j, "source");
  p.settings = json_string(j, "settings");
  match.in_line = json_bool(j, "in_line", true);
  return match;
}

}  // namespace

const MetricSummary* TaskSummary::primary() const {
  for (const MetricSummary& m : metrics)
    if (m.metric == primary_metric && m.filter == primary_filter) return &m;
  return nullptr;
}

Json to_json(const MetricSummary& s) {
  return {{"metric", s.metric}, {"filter", s.filter}, {"value", number(s.value)}, {"stderr", number(s.stderr_value)},
          {"low", number(s.low)}, {"high", number(s.high)}, {"bound_low", number(s.bound_low)},
          {"bound_high", number(s.bound_high)}, {"n", s.n}, {"n_infrastructure", s.n_infrastructure},
          {"is_proportion", s.is_proportion}, {"higher_is_better", s.higher_is_better}};
}

MetricSummary metric_summary_from_json(const Json& j) {
  MetricSummary s;
  s.metric = json_string(j, "metric");
  s.filter = json_string(j, "filter");
  s.value = number_or_nan(j, "value");
  s.stderr_value = number_or_nan(j, "stderr");
  s.low = number_or_nan(j, "low");
  s.high = number_or_nan(j, "high");
  s.bound_low = number_or_nan(j, "bound_low");
  s.bound_high = number_or_nan(j, "bound_high");
  s.n = json_int(j, "n");
  s.n_infrastructure = json_int(j, "n_infrastructure");
  s.is_proportion = json_bool(j, "is_proportion");
  s.higher_is_better = json_bool(j, "higher_is_better", true);
  return s;
}

Json to_json(const TaskSummary& s) {
  Json metrics = Json::array();
  for (const MetricSummary& m : s.metrics) metrics.push_back(to_json(m));
  Json classes = Json::object();
  for (const auto& [filter, counts] : s.classes) {
    Json list = Json::array();
    for (const ClassCount& c : counts)
      list.push_back({{"class", to_string(c.failure_class)}, {"n", c.n}, {"examples", c.example_doc_ids}});
    classes[filter] = std::move(list);
  }
  Json flags = Json::array();
  for (const Flag& f : s.flags) flags.push_back({{"kind", f.kind}, {"reason", f.reason}, {"cause", f.cause}});
  Json out = {{"task", s.task}, {"version", s.version}, {"title", s.title}, {"category", s.category},
              {"protocol", s.protocol}, {"row", s.row}, {"num_fewshot", s.num_fewshot},
              {"chat_template", s.chat_template}, {"metrics", std::move(metrics)},
              {"primary_metric", s.primary_metric}, {"primary_filter", s.primary_filter},
              {"classes", std::move(classes)}, {"flags", std::move(flags)}, {"selfcheck", s.selfcheck},
              {"sandbox_backend", s.sandbox_backend}, {"note", s.note}, {"n_docs", s.n_docs},
              {"n_infrastructure", s.n_infrastructure}, {"n_reused", s.n_reused},
              {"n_prompt_tokens", s.n_prompt_tokens}, {"n_new_tokens", s.n_new_tokens}, {"wall_s", s.wall_s}, {"judge", s.judge}};
  if (s.published) out["published"] = to_json(*s.published);
  if (s.usage.is_object()) out["usage"] = s.usage;
  return out;
}

TaskSummary task_summary_from_json(const Json& j) {
  TaskSummary s;
  s.task = json_string(j, "task");
  s.version = json_string(j, "version");
  s.title = json_string(j, "title");
  s.category = json_string(j, "category");
  s.protocol = json_string(j, "protocol");
  s.row = json_string(j, "row");
  s.num_fewshot = static_cast<int>(json_int(j, "num_fewshot"));
  s.chat_template = json_bool(j, "chat_template");
  if (j.contains("metrics"))
    for (const Json& m : j["metrics"]) s.metrics.push_back(metric_summary_from_json(m));
  s.primary_metric = json_string(j, "primary_metric");
  s.primary_filter = json_string(j, "primary_filter");
  if (j.contains("classes")) {
    for (const auto& [filter, list] : j["classes"].items()) {
      for (const Json& c : list) {
        ClassCount count;
        count.failure_class = failure_class_from(json_string(c, "class")).value_or(FailureClass::wrong_answer);
        count.n = json_int(c, "n");
        if (c.contains("examples")) count.example_doc_ids = c["examples"].get<std::vector<int64_t>>();
        s.classes[filter].push_back(std::move(count));
      }
    }
  }
  if (j.contains("flags"))
    for (const Json& f : j["flags"]) s.flags.push_back({json_string(f, "kind"), json_string(f, "reason"), json_string(f, "cause")});
  if (j.contains("published")) s.published = published_from_json(j["published"]);
  s.selfcheck = json_string(j, "selfcheck");
  s.sandbox_backend = json_string(j, "sandbox_backend");
  s.note = json_string(j, "note");
  s.n_docs = json_int(j, "n_docs");
  s.n_infrastructure = json_int(j, "n_infrastructure");
  s.n_reused = json_int(j, "n_reused");
  s.n_prompt_tokens = json_int(j, "n_prompt_tokens");
  s.n_new_tokens = json_int(j, "n_new_tokens");
  s.wall_s = json_number(j, "wall_s");
  if (j.is_object() && j.contains("judge")) s.judge = j["judge"];
  if (j.contains("usage") && j["usage"].is_object()) s.usage = j["usage"];
  return s;
}

Json to_json(const RunPerformance& p) {
  Json out = {{"wall_s", p.wall_s}, {"decode_busy_s", p.decode_busy_s}, {"n_responses", p.n_responses},
              {"n_reused", p.n_reused}, {"n_prompt_tokens", p.n_prompt_tokens},
              {"n_cached_tokens", p.n_cached_tokens}, {"n_new_tokens", p.n_new_tokens},
              {"n_decoded_tokens", p.n_decoded_tokens}, {"n_batches", p.n_batches}};
  put(out, "generated_tok_s", p.generated_tok_s);
  put(out, "total_tok_s", p.total_tok_s);
  put(out, "ttft_p50_s", p.ttft_p50_s);
  put(out, "ttft_p95_s", p.ttft_p95_s);
  put(out, "ttft_p99_s", p.ttft_p99_s);
  put(out, "itl_p50_s", p.itl_p50_s);
  put(out, "itl_p95_s", p.itl_p95_s);
  put(out, "itl_p99_s", p.itl_p99_s);
  put(out, "stream_tok_s", p.stream_tok_s);
  put(out, "e2e_p50_s", p.e2e_p50_s);
  put(out, "e2e_p95_s", p.e2e_p95_s);
  put(out, "e2e_p99_s", p.e2e_p99_s);
  put(out, "peak_rss_bytes", p.peak_rss_bytes);
  put(out, "model_bytes", p.model_bytes);
  put(out, "kv_bytes", p.kv_bytes);
  put(out, "compute_bytes", p.compute_bytes);
  put(out, "peak_device_bytes", p.peak_device_bytes);
  put(out, "device_total_bytes", p.device_total_bytes);
  put(out, "cpu_utilisation", p.cpu_utilisation);
  put(out, "device_utilisation", p.device_utilisation);
  put(out, "batch_fill", p.batch_fill);
  put(out, "slot_use", p.slot_use);
  out["prefill_s"] = p.prefill_s;
  out["decode_s"] = p.decode_s;
  out["mean_streams"] = p.mean_streams;
  out["n_streams"] = p.n_streams;
  out["longest_request_tokens"] = p.longest_request_tokens;
  out["longest_scored_tokens"] = p.longest_scored_tokens;
  for (const auto& [key, value] : {std::pair{"usage", &p.usage}, std::pair{"server", &p.server}, std::pair{"predicted", &p.predicted}})
    if (value->is_object()) out[key] = *value;
  return out;
}

RunPerformance run_performance_from_json(const Json& j) {
  RunPerformance p;
  p.wall_s = json_number(j, "wall_s");
  p.decode_busy_s = json_number(j, "decode_busy_s");
  p.n_responses = json_int(j, "n_responses");
  p.n_reused = json_int(j, "n_reused");
  p.n_prompt_tokens = json_int(j, "n_prompt_tokens");
  p.n_cached_tokens = json_int(j, "n_cached_tokens");
  p.n_new_tokens = json_int(j, "n_new_tokens");
  p.n_decoded_tokens = json_int(j, "n_decoded_tokens");
  p.n_batches = json_int(j, "n_batches");
  get(j, "generated_tok_s", p.generated_tok_s);
  get(j, "total_tok_s", p.total_tok_s);
  get(j, "ttft_p50_s", p.ttft_p50_s);
  get(j, "ttft_p95_s", p.ttft_p95_s);
  get(j, "ttft_p99_s", p.ttft_p99_s);
  get(j, "itl_p50_s", p.itl_p50_s);
  get(j, "itl_p95_s", p.itl_p95_s);
  get(j, "itl_p99_s", p.itl_p99_s);
  get(j, "stream_tok_s", p.stream_tok_s);
  get(j, "e2e_p50_s", p.e2e_p50_s);
  get(j, "e2e_p95_s", p.e2e_p95_s);
  get(j, "e2e_p99_s", p.e2e_p99_s);
  get(j, "peak_rss_bytes", p.peak_rss_bytes);
  get(j, "model_bytes", p.model_bytes);
  get(j, "kv_bytes", p.kv_bytes);
  get(j, "compute_bytes", p.compute_bytes);
  get(j, "peak_device_bytes", p.peak_device_bytes);
  get(j, "device_total_bytes", p.device_total_bytes);
  get(j, "cpu_utilisation", p.cpu_utilisation);
  get(j, "device_utilisation", p.device_utilisation);
  get(j, "batch_fill", p.batch_fill);
  get(j, "slot_use", p.slot_use);
  p.prefill_s = json_number(j, "prefill_s");
  p.decode_s = json_number(j, "decode_s");
  p.mean_streams = json_number(j, "mean_streams");
  p.n_streams = json_int(j, "n_streams");
  p.longest_request_tokens = json_int(j, "longest_request_tokens");
  p.longest_scored_tokens = json_int(j, "longest_scored_tokens");
  for (const auto& [key, value] : {std::pair{"usage", &p.usage}, std::pair{"server", &p.server}, std::pair{"predicted", &p.predicted}})
    if (j.is_object() && j.contains(key) && j[key].is_object()) *value = j[key];
  return p;
}

}  // namespace qeval
