#include "qeval/runner/tally.h"

namespace qeval {
namespace {

// Streams open at a time, while any was.
double mean_streams(std::vector<std::pair<double, double>> streams) {
  std::sort(streams.begin(), streams.end());
  double sum = 0, covered = 0, end = -1e300;
  for (const auto& [from, to] : streams) {
    sum += to - from;
    covered += std::max(0.0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return covered > 0 ? sum / covered : 0;
}

}  // namespace

void Tally::add(const Response& r, bool generated, double now_s) {
  if (r.failure != EngineFailure::none) return;
  ++performance_.n_responses;
  performance_.n_prompt_tokens += r.n_prompt_tokens;
  performance_.n_cached_tokens += r.n_cached_tokens;
  if (!generated) return;
  performance_.n_new_tokens += r.n_new_tokens;
  if (r.n_new_tokens > 0 && r.first_token_s > 0) ttft_.add(r.first_token_s - r.queue_s);
  e2e_.add(r.total_s - r.queue_s);
  for (size_t i = 1; i < r.token_times_s.size(); ++i) itl_.add(r.token_times_s[i] - r.token_times_s[i - 1]);
  // Where times per token are missing, the stream's speed follows from its ends.
  const double last_s = r.token_times_s.empty() ? r.total_s : r.token_times_s.back();
  if (r.n_new_tokens > 1 && r.first_token_s > 0 && last_s > r.first_token_s)
    stream_s_per_token_.add((last_s - r.first_token_s) / (r.n_new_tokens - 1));
  streams_.emplace_back(now_s - std::max(0.0, r.total_s - r.first_token_s), now_s);
}

RunPerformance Tally::finish(const SessionStats& stats, double wall_s) const {
  RunPerformance out = performance_;
  out.wall_s = wall_s;
  out.decode_busy_s = stats.busy_s;
  out.n_decoded_tokens = stats.n_decoded_tokens;
  out.n_batches = stats.n_batches;
  out.prefill_s = stats.prefill_s;
  out.decode_s = stats.decode_s;
  const auto share = [](int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  if (stats.n_fill_room > 0) out.batch_fill = share(stats.n_fill_tokens, stats.n_fill_room);
  if (stats.n_all_slots > 0) out.slot_use = share(stats.n_busy_slots, stats.n_all_slots);
  out.mean_streams = mean_streams(streams_);
  out.n_streams = stats.n_streams;
  double seconds = stats.busy_s > 0 ? stats.busy_s : wall_s;
  if (out.n_new_tokens > 0 && seconds > 0) out.generated_tok_s = static_cast<double>(out.n_new_tokens) / seconds;
  if (out.n_decoded_tokens > 0 && seconds > 0) out.total_tok_s = static_cast<double>(out.n_decoded_tokens) / seconds;
  out.ttft_p50_s = ttft_.percentile(0.50);
  out.ttft_p95_s = ttft_.percentile(0.95);
  out.ttft_p99_s = ttft_.percentile(0.99);
  out.itl_p50_s = itl_.percentile(0.50);
  out.itl_p95_s = itl_.percentile(0.95);
  out.itl_p99_s = itl_.percentile(0.99);
  out.e2e_p50_s = e2e_.percentile(0.50);
  out.e2e_p95_s = e2e_.percentile(0.95);
  out.e2e_p99_s = e2e_.percentile(0.99);
  if (auto median = stream_s_per_token_.percentile(0.50); median && *median > 0) out.stream_tok_s = 1 / *median;
  if (stats.model_bytes > 0) out.model_bytes = stats.model_bytes;
  if (stats.kv_bytes > 0) out.kv_bytes = stats.kv_bytes;
  if (stats.compute_bytes > 0) out.compute_bytes = stats.compute_bytes;
  return out;
}

}  // namespace qeval
