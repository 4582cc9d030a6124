#pragma once

#include <cstdint>
#include <string>

#include "qeval/plan/hardware.h"
#include "qeval/plan/plan_model.h"

namespace qeval {

// How a model lies on its devices.
struct Serving {
  double bytes_per_weight = 2;     // of the matrix weights; embeddings stay at 2 unless all weights are wider
  double kv_bytes_per_element = 2;
  bool prefix_caching = true;
  int tensor_parallel = 1, pipeline_parallel = 1, data_parallel = 1;
  bool vllm_paging = true;         // KV in vLLM's blocks; false: llama.cpp's cells, state in F32
  int devices() const { return tensor_parallel * pipeline_parallel * data_parallel; }
};

// Memory of one replica, all its devices together, in bytes.
double weight_bytes(const PlanModel& model, const Serving& serving);
double kv_bytes_per_token(const PlanModel& model, const Serving& serving);
// Recurrent state of one sequence, with the copies that the engine keeps.
double state_bytes_per_sequence(const PlanModel& model, const Serving& serving);
// Tokens that the KV cache hands out together. vLLM: 16; hybrid models: enough that a block's KV is as large as one
// layer's state, in steps of 16.
int kv_block_tokens(const PlanModel& model, const Serving& serving);
// KV (in whole blocks) and state of one sequence of `tokens`.
double sequence_bytes(const PlanModel& model, const Serving& serving, double tokens);
// Whole sequences of `tokens` in `bytes`; 0 where none fits.
int64_t sequences_that_fit(const PlanModel& model, const Serving& serving, double bytes, double tokens);
// The longest length at which `n` sequences fit in `bytes`; 0 where they never do.
int64_t longest_that_fits(const PlanModel& model, const Serving& serving, double bytes, int64_t n);

enum class Bound { bandwidth, compute };

struct Step {
  double seconds = 0;  // one decode step of the whole batch
  double bytes = 0, flops = 0;
  Bound bound = Bound::bandwidth;
};
// One decode step of `batch` sequences that hold `context` tokens each: max of what memory and what arithmetic need.
//   bytes = weights read + batch · (context · KV + state read and written)
//   flops = batch · (2 · matmul weights + 4 · L · heads · head_dim · context)
// Experts: a batch reads those that any of its tokens chose, n · (1 − (1 − k/n)^batch) of a layer's n at uniform choice.
Step decode_step(const PlanModel& model, const Serving& serving, const Hardware& hardware, double batch, double context);
// Prompt tokens a second at prompts of `length`: 2 · (weights without both tables) + 2 · L · heads · head_dim · length
// FLOP a token (attention looks at half of the prompt on average).
double prefill_tokens_per_second(const PlanModel& model, const Serving& serving, const Hardware& hardware, double length);

// llama.cpp's graph memory for micro-batches of `micro_batch` tokens, `rows` rows of logits and streams of `length` tokens. An
// estimate, fitted to what v0.5.0 reports on a CPU.
double llama_compute_bytes(const PlanModel& model, double micro_batch, double rows, double length);

// Work of a run, as counted afterwards.
struct Work {
  double prefill_tokens = 0;  // prompt tokens computed (cached ones left out)
  double new_tokens = 0;
  double concurrency = 1;     // sequences decoded together, on average
  double context = 1024;      // tokens that a sequence holds while it is decoded, on average
  double prompt_length = 1024;
};
struct WorkTime {
  double prefill_s = 0, decode_s = 0;
  double total_s() const { return prefill_s + decode_s; }
};
// At the roofline: what the device needs at least. Prompts and answers share it, one after the other.
WorkTime work_time(const PlanModel& model, const Serving& serving, const Hardware& hardware, const Work& work);

}  // namespace qeval
