#pragma once

#include <string>
#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/plan/deployment.h"

namespace qeval {

// What earlier runs reached of the roofline; 0: none known.
struct Calibration {
  double prefill = 0;
  EfficiencyCurve decode;
  std::string source;  // "runs 3, 5 on NVIDIA H100"
};

// A finished run's own figures beside the roofline's, kept with its performance as `predicted`: hardware, engine, model,
// roofline and measured seconds of prompts and of answers, their ratio (efficiency), what the calibration so far expected,
// and the predicted memory.
struct RunFacts {
  PlanModel model;
  Serving serving;
  Hardware hardware;
  std::string engine;
  Preset preset;
  bool reference = false;  // llama: F32 weights, which keep KV in F32
};
Json predict_run(const RunFacts& facts, const RunPerformance& measured, const Calibration& before);

// From earlier `predicted` records of the same engine and hardware (prompts: their median); those of the same weights alone where there are
// any, else those of the model whose weights are nearest in size.
struct EarlierRun {
  int64_t run = 0;
  Json predicted;
};
Calibration calibrate(const std::vector<EarlierRun>& runs, const std::string& engine, const std::string& hardware, const std::string& model,
                      double weight_bytes);

// What the embedded engine is asked for. Longest: tokens of a request, 0 where there is none of its kind.
struct LlamaDemand {
  int longest_generated = 0, longest_scored = 0;
  int n_streams = 0;  // answers at once; 0: as many as the preset allows
};
// Memory of the embedded engine: weights, the caches that it makes for answers and for log-likelihoods, and graphs.
struct LlamaMemory {
  double weight_bytes = 0, kv_bytes = 0, compute_bytes = 0;
  double total() const { return weight_bytes + kv_bytes + compute_bytes; }
};
LlamaMemory llama_memory(const RunFacts& facts, const LlamaDemand& demand);

}  // namespace qeval
