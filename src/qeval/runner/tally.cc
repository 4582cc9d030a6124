#include "qeval/runner/tally.h"

#include <algorithm>

namespace qeval {
namespace {

std::optional<double> percentile(std::vector<double> values, double share) {
  if (values.empty()) return std::nullopt;
  size_t index = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<long>(index), values.end());
  return values[index];
}

}  // namespace

void Tally::add(const Response& r, bool generated) {
  if (r.failure != EngineFailure::none) return;
  ++performance_.n_responses;
  performance_.n_prompt_tokens += r.n_prompt_tokens;
  performance_.n_cached_tokens += r.n_cached_tokens;
  if (!generated) return;
  performance_.n_new_tokens += r.n_new_tokens;
  if (r.n_new_tokens > 0) ttft_s_.push_back(r.first_token_s);
  e2e_s_.push_back(r.total_s);
}

RunPerformance Tally::finish(const SessionStats& stats, double wall_s) const {
  RunPerformance out = performance_;
  out.wall_s = wall_s;
  out.decode_busy_s = stats.busy_s;
  out.n_decoded_tokens = stats.n_decoded_tokens;
  out.n_batches = stats.n_batches;
  double seconds = stats.busy_s > 0 ? stats.busy_s : wall_s;
  if (out.n_new_tokens > 0 && seconds > 0) out.generated_tok_s = static_cast<double>(out.n_new_tokens) / seconds;
  if (out.n_decoded_tokens > 0 && seconds > 0) out.total_tok_s = static_cast<double>(out.n_decoded_tokens) / seconds;
  out.ttft_p50_s = percentile(ttft_s_, 0.50);
  out.ttft_p95_s = percentile(ttft_s_, 0.95);
  out.e2e_p50_s = percentile(e2e_s_, 0.50);
  out.e2e_p95_s = percentile(e2e_s_, 0.95);
  if (stats.model_bytes > 0) out.model_bytes = stats.model_bytes;
  if (stats.kv_bytes > 0) out.kv_bytes = stats.kv_bytes;
  if (stats.compute_bytes > 0) out.compute_bytes = stats.compute_bytes;
  return out;
}

}  // namespace qeval
