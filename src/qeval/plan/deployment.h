#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/plan/efficiency.h"
#include "qeval/plan/roofline.h"
#include "qeval/util/json.h"

namespace qeval {

// What is to be served, and how it will be used.
struct DeploymentRequest {
  PlanModel model;
  Hardware hardware;
  Preset preset;
  std::string engine = "vllm";  // vllm or llama
  double prompt_tokens = 1024, output_tokens = 256;
  std::vector<int> concurrency = {1, 8, 32, 64, 128, 256};
  // Measured shares of the roofline in earlier runs; prefill 0 = none known.
  EfficiencyCurve decode_efficiency;
  double prefill_efficiency = 0;
  std::string efficiency_source;
  bool reference_weights = false;  // llama: F32, whose KV is kept in F32 and whose attention is computed without fusing
};

struct ThroughputRow {
  int asked = 0;      // concurrency
  int running = 0;    // of them, decoded at a time
  double step_s = 0;
  double tokens_per_second = 0, per_stream = 0;  // generated, at the roofline
  double sustained = 0;                          // with the prompts' share of the device
  std::optional<double> efficiency;                    // of answers at so many streams, by earlier runs
  std::optional<double> expected, expected_sustained;  // the same by that efficiency
  std::string bound;                             // bandwidth, compute, kv, scheduler
};

struct Deployment {
  Serving serving;
  double memory_bytes = 0, budget_bytes = 0;  // of one replica's devices; what the engine may use
  double weight_bytes = 0, activation_bytes = 0, kv_budget_bytes = 0;
  double kv_bytes_per_token = 0, state_bytes_per_sequence = 0;
  int kv_block_tokens = 1;
  int64_t kv_tokens = 0;
  double expected_tokens = 0;       // of one sequence: prompt and answer
  int max_model_len = 0;
  int64_t fit_expected = 0, fit_max_len = 0;  // sequences, all replicas
  int64_t longest_for_preset = 0;   // length at which max_num_seqs sequences fit
  bool weights_fit = false, promise_holds = false;  // promise: max_num_seqs sequences of max_model_len
  double prefill_tokens_per_second = 0;
  std::vector<ThroughputRow> rows;
  std::vector<std::string> notes;   // what does not hold, and what to do
};

// Everything is predicted, nothing measured, but for the efficiencies. Error (usage): a setting that has no meaning.
Result<Deployment> plan_deployment(const DeploymentRequest& request);

// Serving as preset and engine make it: quantisation, KV type, parallelism.
Result<Serving> serving_of(const Preset& preset, const std::string& engine, bool reference_weights = false);

Json to_json(const DeploymentRequest& request, const Deployment& deployment);

}  // namespace qeval
