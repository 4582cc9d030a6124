#include "qeval/plan/roofline.h"

#include <algorithm>
#include <cmath>

namespace qeval {
namespace {

constexpr int kBlock = 16;

double ceil_to(double value, double step) { return std::ceil(value / step) * step; }

double table_bytes_per_weight(const Serving& s) { return std::max(2.0, s.bytes_per_weight); }

// Share of a layer's routed experts that a batch touches.
double touched_share(const PlanModel& m, double batch) {
  double chosen = static_cast<double>(m.n_experts_routed) / m.n_experts;
  return 1 - std::pow(1 - chosen, std::max(1.0, batch));
}

double weights_read(const PlanModel& m, const Serving& s, double batch) {
  double total = weight_bytes(m, s);
  double table = m.weight_bytes > 0 ? m.embedding_bytes : m.embedding_params() * table_bytes_per_weight(s);
  double read = m.tied_embeddings ? total : total - table;
  if (m.n_experts == 0) return read;
  double bytes_per_weight = m.weight_bytes > 0 ? m.weight_bytes / m.params : s.bytes_per_weight;
  double experts = static_cast<double>(m.n_experts) * m.expert_params * m.n_layers * bytes_per_weight;
  return read - experts * (1 - touched_share(m, batch));
}

// State of one sequence and recurrent layer: recurrent part and convolution.
double layer_state_bytes(const PlanModel& m, const Serving& s) {
  if (!s.vllm_paging) return (m.state_elements + m.conv_elements) * 4;
  return m.state_elements * (m.state_is_half ? 2 : 4) + m.conv_elements * 2;
}

double layer_kv_bytes(const PlanModel& m, const Serving& s) {
  // Heads are copied where there are fewer than devices that share a layer.
  double heads = std::max(m.n_kv_heads, s.tensor_parallel);
  return 2.0 * heads * m.head_dim * s.kv_bytes_per_element;
}

// Devices that work on one token of one replica together, as a factor.
double speed_factor(const Serving& s, double batch) {
  return s.tensor_parallel * std::clamp(batch, 1.0, static_cast<double>(s.pipeline_parallel));
}

}  // namespace

double weight_bytes(const PlanModel& m, const Serving& s) {
  if (m.weight_bytes > 0) return m.weight_bytes;
  if (s.bytes_per_weight >= 2) return m.params * s.bytes_per_weight;
  double tables = m.embedding_params() * (m.tied_embeddings ? 1 : 2);
  return (m.params - tables) * s.bytes_per_weight + tables * table_bytes_per_weight(s);
}

double kv_bytes_per_token(const PlanModel& m, const Serving& s) { return layer_kv_bytes(m, s) * m.n_kv_layers; }

double state_bytes_per_sequence(const PlanModel& m, const Serving& s) {
  if (!m.hybrid()) return 0;
  if (!s.vllm_paging) return layer_state_bytes(m, s) * m.n_linear_layers();
  // A state takes a whole block's room; a prefix cache keeps a second one.
  double page = kv_block_tokens(m, s) * layer_kv_bytes(m, s);
  return page * m.n_linear_layers() * (s.prefix_caching ? 2 : 1);
}

int kv_block_tokens(const PlanModel& m, const Serving& s) {
  if (!s.vllm_paging) return 1;
  if (!m.hybrid()) return kBlock;
  return static_cast<int>(ceil_to(layer_state_bytes(m, s) / layer_kv_bytes(m, s), kBlock));
}

double sequence_bytes(const PlanModel& m, const Serving& s, double tokens) {
  return ceil_to(tokens, kv_block_tokens(m, s)) * kv_bytes_per_token(m, s) + state_bytes_per_sequence(m, s);
}

int64_t sequences_that_fit(const PlanModel& m, const Serving& s, double bytes, double tokens) {
  double one = sequence_bytes(m, s, tokens);
  return bytes > 0 && one > 0 ? static_cast<int64_t>(std::floor(bytes / one)) : 0;
}

int64_t longest_that_fits(const PlanModel& m, const Serving& s, double bytes, int64_t n) {
  if (n <= 0) return 0;
  double for_kv = bytes / static_cast<double>(n) - state_bytes_per_sequence(m, s);
  if (for_kv <= 0) return 0;
  double block = kv_block_tokens(m, s);
  return static_cast<int64_t>(std::floor(for_kv / kv_bytes_per_token(m, s) / block) * block);
}

Step decode_step(const PlanModel& m, const Serving& s, const Hardware& h, double batch, double context) {
  Step out;
  double state = m.hybrid() ? 2 * layer_state_bytes(m, s) * m.n_linear_layers() : 0;
  out.bytes = weights_read(m, s, batch) + batch * (context * kv_bytes_per_token(m, s) + state);
  out.flops = batch * (2 * m.matmul_params() + 4.0 * m.n_kv_layers * m.n_heads * m.head_dim * context);
  double factor = speed_factor(s, batch);
  double by_memory = out.bytes / (h.bandwidth * factor), by_arithmetic = out.flops / (h.flops * factor);
  out.bound = by_memory >= by_arithmetic ? Bound::bandwidth : Bound::compute;
  out.seconds = std::max(by_memory, by_arithmetic);
  return out;
}

double prefill_tokens_per_second(const PlanModel& m, const Serving& s, const Hardware& h, double length) {
  double tables = m.embedding_params() * (m.tied_embeddings ? 1 : 2);
  double flops = 2 * (m.active_params - tables) + 2.0 * m.n_kv_layers * m.n_heads * m.head_dim * length;
  return h.flops * s.tensor_parallel * s.pipeline_parallel * s.data_parallel / flops;
}

double llama_compute_bytes(const PlanModel& m, double micro_batch, double rows, double length) {
  double ff = m.n_experts > 0 ? static_cast<double>(m.d_ff) * m.n_experts_routed : m.d_ff;
  double feed_forward = micro_batch * 4 * ff * 4, output = rows * 4 * m.vocab + micro_batch * m.d_model * 4;
  double mask = micro_batch * length * 4;
  return std::max(feed_forward, output) + mask;
}

WorkTime work_time(const PlanModel& m, const Serving& s, const Hardware& h, const Work& w) {
  WorkTime out;
  if (w.prefill_tokens > 0) out.prefill_s = w.prefill_tokens / prefill_tokens_per_second(m, s, h, w.prompt_length);
  if (w.new_tokens > 0) {
    double batch = std::max(1.0, w.concurrency / s.data_parallel);
    double steps = w.new_tokens / (batch * s.data_parallel);
    out.decode_s = steps * decode_step(m, s, h, batch, w.context).seconds;
  }
  return out;
}

}  // namespace qeval
