#include "qeval/plan/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/core/llama_sizes.h"

namespace qeval {
namespace {

// Beside weights and KV a CUDA process holds its context, graphs and workspaces.
constexpr double kCudaOverheadBytes = 0.8e9;
constexpr double kGgmlCudaBytes = 1.3e9;  // context, kernels and cuBLAS workspace: 1.2 to 1.3 GB on an H200 with CUDA 13
constexpr int kDefaultBatchedTokens = 8192;  // vLLM on data-centre devices

Json setting(const Json& group, const std::string& name) {
  if (!group.is_object()) return nullptr;
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  for (const std::string& key : {name, dashed})
    if (auto it = group.find(key); it != group.end()) return *it;
  return nullptr;
}

Result<int> whole(const Json& group, const std::string& name, int fallback) {
  Json value = setting(group, name);
  if (value.is_null()) return fallback;
  if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 1 << 24)
    return fail(ErrorKind::usage, fmt::format("vllm.{}: {}: a positive integer was expected", name, dump_json(value)));
  return value.get<int>();
}

Result<double> bytes_per_weight(const std::string& method) {
  // Four bits with a 16-bit scale and 4-bit zero per group of 128; AWQ, GPTQ and bitsandbytes differ little.
  if (method.empty() || method == "none" || method == "bfloat16" || method == "float16") return 2.0;
  if (method == "float32") return 4.0;
  for (const char* eight : {"fp8", "int8", "w8a8", "compressed-tensors", "modelopt", "experts_int8"})
    if (method.find(eight) != std::string::npos) return 1.0;
  for (const char* four : {"awq", "gptq", "bitsandbytes", "nvfp4", "mxfp4", "modelopt_fp4", "int4"})
    if (method.find(four) != std::string::npos) return 4.0 / 8 + 20.0 / 8 / 128;
  return fail(ErrorKind::usage, fmt::format("quantization {}: its bytes per weight are not known; known: none, fp8, int8 (w8a8), "
                                            "awq, gptq, bitsandbytes, nvfp4, mxfp4", method));
}

double llama_type_bytes(const std::string& type) {
  if (type == "f32") return 4;
  if (type == "q8_0") return 34.0 / 32;
  if (type == "q5_1") return 24.0 / 32;
  if (type == "q5_0") return 22.0 / 32;
  if (type == "q4_1") return 20.0 / 32;
  if (type == "q4_0" || type == "iq4_nl") return 18.0 / 32;
  return 2;
}

// Of one device, at the largest batch that the engine prepares for. An estimate.
double activation_bytes(const DeploymentRequest& r, double batched_tokens) {
  const PlanModel& m = r.model;
  double width = 4.0 * m.d_model + 2.0 * (m.n_experts > 0 ? std::max(m.d_ff * (m.n_experts_routed + 1), m.d_model) : m.d_ff) +
                 static_cast<double>(m.n_heads + 2 * m.n_kv_heads) * m.head_dim;
  double rows = std::min<double>(r.preset.max_num_seqs, batched_tokens);
  double logits = rows * m.vocab * 4 * 2;  // in F32, and a sorted copy where top-p is used
  return batched_tokens * width * 2 + logits + (r.hardware.is_cpu ? 0 : kCudaOverheadBytes);
}

void set_memory(const DeploymentRequest& r, Deployment& d, double batched_tokens) {
  double replicas = d.serving.tensor_parallel * d.serving.pipeline_parallel;
  d.memory_bytes = r.hardware.memory_bytes * replicas;
  d.weight_bytes = weight_bytes(r.model, d.serving);
  d.kv_bytes_per_token = kv_bytes_per_token(r.model, d.serving);
  d.state_bytes_per_sequence = state_bytes_per_sequence(r.model, d.serving);
  d.kv_block_tokens = kv_block_tokens(r.model, d.serving);
  if (r.engine == "llama") {
    // Half of what is free on a CPU, as the engine takes it; the preset's share of a device.
    // With the logits of an evaluation, which reads more rows than answers do.
    const int rows = std::max(r.preset.max_num_seqs, scored_rows(r.model.vocab, static_cast<int>(batched_tokens)));
    d.activation_bytes = llama_compute_bytes(r.model, batched_tokens, rows, d.expected_tokens) +
                         (r.hardware.is_cpu ? 0 : kGgmlCudaBytes);
    double free = d.memory_bytes * (r.hardware.is_cpu ? 1 : r.preset.gpu_memory_utilization) - d.weight_bytes;
    d.budget_bytes = d.memory_bytes * (r.hardware.is_cpu ? 1 : r.preset.gpu_memory_utilization);
    d.kv_budget_bytes = (free - d.activation_bytes) * (r.hardware.is_cpu ? 0.5 : 0.8);
  } else {
    d.activation_bytes = activation_bytes(r, batched_tokens) * replicas;
    d.budget_bytes = d.memory_bytes * r.preset.gpu_memory_utilization;
    d.kv_budget_bytes = d.budget_bytes - d.weight_bytes - d.activation_bytes;
  }
  d.weights_fit = d.kv_budget_bytes > 0;
  d.kv_budget_bytes = std::max(0.0, d.kv_budget_bytes);
  d.kv_tokens = static_cast<int64_t>(d.kv_budget_bytes / d.kv_bytes_per_token);
}

ThroughputRow throughput(const DeploymentRequest& r, const Deployment& d, int concurrency) {
  ThroughputRow row;
  row.asked = concurrency;
  int64_t seats = std::min<int64_t>(r.preset.max_num_seqs * d.serving.data_parallel, d.fit_expected);
  row.running = static_cast<int>(std::min<int64_t>(concurrency, seats));
  if (row.running < 1) return row;
  double batch = std::ceil(static_cast<double>(row.running) / d.serving.data_parallel);
  Step step = decode_step(r.model, d.serving, r.hardware, batch, r.prompt_tokens + r.output_tokens / 2);
  row.step_s = step.seconds;
  row.tokens_per_second = row.running / step.seconds;
  row.per_stream = 1 / step.seconds;
  row.bound = step.bound == Bound::bandwidth ? "bandwidth" : "compute";
  if (row.running < concurrency)
    row.bound = d.fit_expected < static_cast<int64_t>(r.preset.max_num_seqs) * d.serving.data_parallel ? "kv" : "scheduler";
  // Of a request's time on the device: its prompt alone, its answer together with the others.
  auto sustained = [&](double prefill, double decode) {
    double prompt_s = r.prompt_tokens / (d.prefill_tokens_per_second * prefill);
    return r.output_tokens / (prompt_s + r.output_tokens / (row.tokens_per_second * decode));
  };
  row.sustained = sustained(1, 1);
  if (!r.decode_efficiency.known()) return row;
  row.efficiency = r.decode_efficiency.at(batch, [&](double streams) {
    return decode_step(r.model, d.serving, r.hardware, streams, r.prompt_tokens + r.output_tokens / 2).seconds;
  });
  row.expected = row.tokens_per_second * *row.efficiency;
  if (r.prefill_efficiency > 0) row.expected_sustained = sustained(r.prefill_efficiency, *row.efficiency);
  return row;
}

std::string gigabytes(double bytes) { return fmt::format("{:.2f} GB", bytes / 1e9); }

void add_notes(const DeploymentRequest& r, Deployment& d) {
  int n = r.preset.max_num_seqs;
  if (!d.weights_fit) {
    d.notes.push_back(fmt::format("does not fit: weights {} and working memory {} exceed the {} that {} may use; take more devices "
                                  "(vllm.tensor_parallel_size), a quantisation, or other hardware",
                                  gigabytes(d.weight_bytes), gigabytes(d.activation_bytes), gigabytes(d.budget_bytes), r.engine));
    return;
  }
  int64_t seats = static_cast<int64_t>(n) * d.serving.data_parallel;
  if (!d.promise_holds)
    d.notes.push_back(fmt::format("{} sequences × {} tokens do not fit beside {}: {} do; {} sequences fit up to {} tokens each", seats,
                                  d.max_model_len, r.model.name, d.fit_max_len, seats, d.longest_for_preset));
  if (d.fit_max_len < 1)
    d.notes.push_back(fmt::format("not even one sequence of max_model_len {} fits; the longest is {} tokens: set max_model_len",
                                  d.max_model_len, longest_that_fits(r.model, d.serving, d.kv_budget_bytes, 1)));
  if (d.fit_expected > 2 * seats)
    d.notes.push_back(fmt::format("max_num_seqs {} leaves KV unused: {} sequences of {:.0f} tokens would fit", n, d.fit_expected, d.expected_tokens));
  if (r.model.hybrid() && d.serving.vllm_paging)
    d.notes.push_back(fmt::format("hybrid model: KV comes in blocks of {} tokens; prompts that share less than a block share nothing in the prefix cache",
                                  d.kv_block_tokens));
  if (d.serving.tensor_parallel > 1 && r.model.n_heads % d.serving.tensor_parallel != 0)
    d.notes.push_back(fmt::format("tensor_parallel_size {} does not divide the {} attention heads: vLLM will refuse it", d.serving.tensor_parallel,
                                  r.model.n_heads));
}

}  // namespace

Result<Serving> serving_of(const Preset& preset, const std::string& engine, bool reference_weights) {
  Serving s;
  if (engine == "llama") {
    s.vllm_paging = false;
    const char* type = reference_weights ? "f32" : "f16";
    s.kv_bytes_per_element = (llama_type_bytes(json_string(preset.llama, "type_k", type)) + llama_type_bytes(json_string(preset.llama, "type_v", type))) / 2;
    return s;
  }
  s.prefix_caching = preset.prefix_caching;
  Json quantization = setting(preset.vllm, "quantization"), dtype = setting(preset.vllm, "dtype");
  QEVAL_TRY(s.bytes_per_weight, bytes_per_weight(quantization.is_string() ? quantization.get<std::string>() : preset.quantization_method));
  if (s.bytes_per_weight == 2 && dtype.is_string() && dtype == "float32") s.bytes_per_weight = s.kv_bytes_per_element = 4;
  if (Json kv = setting(preset.vllm, "kv_cache_dtype"); kv.is_string() && kv.get<std::string>().find("fp8") != std::string::npos)
    s.kv_bytes_per_element = 1;
  QEVAL_TRY(s.tensor_parallel, whole(preset.vllm, "tensor_parallel_size", 1));
  QEVAL_TRY(s.pipeline_parallel, whole(preset.vllm, "pipeline_parallel_size", 1));
  QEVAL_TRY(s.data_parallel, whole(preset.vllm, "data_parallel_size", 1));
  return s;
}

Result<Deployment> plan_deployment(const DeploymentRequest& r) {
  Deployment d;
  QEVAL_TRY(d.serving, serving_of(r.preset, r.engine, r.reference_weights));
  QEVAL_TRY(int batched, whole(r.preset.vllm, "max_num_batched_tokens", kDefaultBatchedTokens));
  d.max_model_len = r.model.context > 0 ? std::min(r.preset.max_model_len, r.model.context) : r.preset.max_model_len;
  d.expected_tokens = std::min<double>(r.prompt_tokens + r.output_tokens, d.max_model_len);
  double micro_batch = json_number(r.preset.llama, "n_ubatch", micro_batch_tokens(r.model.vocab, r.hardware.is_cpu));
  set_memory(r, d, r.engine == "llama" ? micro_batch : batched);
  d.fit_expected = sequences_that_fit(r.model, d.serving, d.kv_budget_bytes, d.expected_tokens) * d.serving.data_parallel;
  d.fit_max_len = sequences_that_fit(r.model, d.serving, d.kv_budget_bytes, d.max_model_len) * d.serving.data_parallel;
  d.longest_for_preset = std::min<int64_t>(d.max_model_len, longest_that_fits(r.model, d.serving, d.kv_budget_bytes, r.preset.max_num_seqs));
  d.promise_holds = d.fit_max_len >= static_cast<int64_t>(r.preset.max_num_seqs) * d.serving.data_parallel;
  d.prefill_tokens_per_second = prefill_tokens_per_second(r.model, d.serving, r.hardware, r.prompt_tokens);
  for (int c : r.concurrency) d.rows.push_back(throughput(r, d, c));
  add_notes(r, d);
  return d;
}

Json to_json(const DeploymentRequest& r, const Deployment& d) {
  Json rows = Json::array();
  for (const ThroughputRow& t : d.rows) {
    Json row = {{"concurrency", t.asked}, {"running", t.running}, {"step_ms", t.step_s * 1e3}, {"tokens_per_second", t.tokens_per_second},
                {"per_stream", t.per_stream}, {"sustained_tokens_per_second", t.sustained}, {"bound", t.bound}};
    row["efficiency"] = t.efficiency ? Json(*t.efficiency) : Json(nullptr);
    row["expected_tokens_per_second"] = t.expected ? Json(*t.expected) : Json(nullptr);
    row["expected_sustained_tokens_per_second"] = t.expected_sustained ? Json(*t.expected_sustained) : Json(nullptr);
    rows.push_back(std::move(row));
  }
  return {{"kind", "predicted"},
          {"model", {{"name", r.model.name}, {"architecture", r.model.architecture}, {"params", r.model.params}, {"active_params", r.model.active_params}}},
          {"hardware", {{"id", r.hardware.id}, {"name", r.hardware.name}, {"memory_bytes", r.hardware.memory_bytes}, {"bandwidth", r.hardware.bandwidth},
                        {"flops", r.hardware.flops}, {"source", r.hardware.source}, {"devices", d.serving.devices()}}},
          {"engine", r.engine}, {"preset", to_json(r.preset)},
          {"memory", {{"bytes", d.memory_bytes}, {"budget_bytes", d.budget_bytes}, {"weight_bytes", d.weight_bytes},
                      {"activation_bytes", d.activation_bytes}, {"kv_budget_bytes", d.kv_budget_bytes},
                      {"kv_bytes_per_token", d.kv_bytes_per_token}, {"state_bytes_per_sequence", d.state_bytes_per_sequence},
                      {"kv_block_tokens", d.kv_block_tokens}, {"kv_tokens", d.kv_tokens}}},
          {"sequences", {{"expected_tokens", d.expected_tokens}, {"fit_expected", d.fit_expected}, {"max_model_len", d.max_model_len},
                         {"fit_max_model_len", d.fit_max_len}, {"longest_for_preset", d.longest_for_preset}}},
          {"weights_fit", d.weights_fit}, {"promise_holds", d.promise_holds},
          {"prompt_tokens", r.prompt_tokens}, {"output_tokens", r.output_tokens},
          {"prefill_tokens_per_second", d.prefill_tokens_per_second},
          {"prefill_efficiency", r.prefill_efficiency > 0 ? Json(r.prefill_efficiency) : Json(nullptr)}, {"efficiency_source", r.efficiency_source},
          {"throughput", std::move(rows)}, {"notes", d.notes}};
}

}  // namespace qeval
