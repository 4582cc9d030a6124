#include "qeval/plan/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/core/llama_sizes.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {

// Records without the roofline's figures are shares of another one.
bool usable(const Json& predicted, const std::string& engine, const std::string& hardware) {
  return json_string(predicted, "engine") == engine && json_string(predicted, "hardware") == hardware && predicted.contains("hardware_flops");
}

bool same_weights(const Json& predicted, const std::string& model, double weight_bytes) {
  return json_string(predicted, "model") == model && std::abs(json_number(predicted, "model_weight_bytes") / weight_bytes - 1) < 0.01;
}

}  // namespace

LlamaMemory llama_memory(const RunFacts& f, const LlamaDemand& d) {
  const PlanModel& m = f.model;
  const Serving& s = f.serving;
  const int micro_batch = static_cast<int>(json_number(f.preset.llama, "n_ubatch", micro_batch_tokens(m.vocab, f.hardware.is_cpu)));
  LlamaMemory out;
  out.weight_bytes = weight_bytes(m, s);
  if (d.longest_generated > 0) {
    const int most = std::clamp(f.preset.max_num_seqs, 1, kMostLlamaSequences), answers = d.n_streams > 0 ? std::min(d.n_streams, most) : most;
    const int streams = answers + (f.preset.prefix_caching && m.hybrid() ? 1 : 0);  // a state that cannot be rolled back is kept
    const int length = stream_cells(d.longest_generated, f.preset.max_model_len);
    out.kv_bytes += streams * (length * kv_bytes_per_token(m, s) + state_bytes_per_sequence(m, s));
    out.compute_bytes += llama_compute_bytes(m, micro_batch, streams, length);
  }
  if (d.longest_scored > 0) {
    const int cells = scoring_cells(d.longest_scored, micro_batch, m.hybrid());
    const double state = state_bytes_per_sequence(m, s), room = (f.hardware.memory_bytes - out.weight_bytes) / 2;
    out.kv_bytes += cells * kv_bytes_per_token(m, s) + scoring_states(room, state) * state;
    out.compute_bytes += llama_compute_bytes(m, micro_batch, scored_rows(m.vocab, micro_batch), cells);
  }
  return out;
}

Json predict_run(const RunFacts& f, const RunPerformance& p, const Calibration& before) {
  Work work;
  work.new_tokens = static_cast<double>(p.n_new_tokens);
  work.prefill_tokens = std::max<double>(0, static_cast<double>(p.n_decoded_tokens - p.n_new_tokens));
  if (p.n_decoded_tokens == 0) work.prefill_tokens = static_cast<double>(p.n_prompt_tokens - p.n_cached_tokens);
  work.concurrency = std::max(1.0, p.mean_streams);
  double mean_prompt = p.n_responses > 0 ? static_cast<double>(p.n_prompt_tokens) / static_cast<double>(p.n_responses) : 0;
  work.prompt_length = std::max(1.0, mean_prompt);
  work.context = mean_prompt + (p.n_responses > 0 ? static_cast<double>(p.n_new_tokens) / static_cast<double>(p.n_responses) / 2 : 0);
  WorkTime roofline = work_time(f.model, f.serving, f.hardware, work);
  Json out = {{"engine", f.engine}, {"hardware", f.hardware.name}, {"model", f.model.name}, {"model_weight_bytes", weight_bytes(f.model, f.serving)}, {"hardware_flops", f.hardware.flops}, {"mean_streams", work.concurrency},
              {"roofline_prefill_s", roofline.prefill_s}, {"roofline_decode_s", roofline.decode_s}};
  bool apart = p.prefill_s > 0 || p.decode_s > 0;
  if (apart && p.prefill_s > 0 && roofline.prefill_s > 0) out["prefill_efficiency"] = roofline.prefill_s / p.prefill_s;
  if (apart && p.decode_s > 0 && roofline.decode_s > 0) out["decode_efficiency"] = roofline.decode_s / p.decode_s;
  double measured = p.decode_busy_s > 0 ? p.decode_busy_s : p.wall_s;
  if (!apart && measured > 0 && roofline.total_s() > 0) out["prefill_efficiency"] = out["decode_efficiency"] = roofline.total_s() / measured;
  double prefill = before.prefill > 0 ? before.prefill : 1, decode = 1;
  if (before.decode.known())
    decode = before.decode.at(work.concurrency, [&](double streams) { return decode_step(f.model, f.serving, f.hardware, streams, work.context).seconds; });
  double expected_s = roofline.prefill_s / prefill + roofline.decode_s / decode;
  out["calibrated_by"] = before.source;
  if (expected_s > 0) {
    out["expected_busy_s"] = expected_s;
    if (p.n_new_tokens > 0) out["expected_generated_tok_s"] = static_cast<double>(p.n_new_tokens) / expected_s;
    out["expected_total_tok_s"] = (work.prefill_tokens + work.new_tokens) / expected_s;
  }
  if (f.engine == "llama" && p.longest_request_tokens + p.longest_scored_tokens > 0) {
    LlamaMemory memory = llama_memory(f, {static_cast<int>(p.longest_request_tokens), static_cast<int>(p.longest_scored_tokens), static_cast<int>(p.n_streams)});
    out["weight_bytes"] = memory.weight_bytes;
    out["kv_bytes"] = memory.kv_bytes;
    out["compute_bytes"] = memory.compute_bytes;
    out["memory_bytes"] = memory.total();
  }
  return out;
}

Calibration calibrate(const std::vector<EarlierRun>& runs, const std::string& engine, const std::string& hardware, const std::string& model,
                      double weights) {
  double nearest = -1;
  auto distance = [&](const Json& predicted) { return std::abs(std::log(std::max(1.0, json_number(predicted, "model_weight_bytes")) / std::max(1.0, weights))); };
  for (const EarlierRun& r : runs)
    if (usable(r.predicted, engine, hardware) && (nearest < 0 || distance(r.predicted) < nearest)) nearest = distance(r.predicted);
  for (bool same_model : {true, false}) {
    std::vector<double> prefill;
    std::vector<std::pair<double, double>> decode;
    std::string ids;
    for (const EarlierRun& r : runs) {
      if (!usable(r.predicted, engine, hardware)) continue;
      if (same_model ? !same_weights(r.predicted, model, weights) : distance(r.predicted) > nearest + 1e-9) continue;
      double p = json_number(r.predicted, "prefill_efficiency"), d = json_number(r.predicted, "decode_efficiency");
      if (p > 0) prefill.push_back(p);
      if (d > 0) decode.emplace_back(std::max(1.0, json_number(r.predicted, "mean_streams")), d);
      if (p > 0 || d > 0) ids += fmt::format("{}{}", ids.empty() ? "" : ", ", r.run);
    }
    if (ids.empty()) continue;
    return {prefill.empty() ? 0 : median(prefill), EfficiencyCurve(std::move(decode)), fmt::format("run{} {} on {}", ids.find(',') == std::string::npos ? "" : "s", ids, hardware)};
  }
  return {};
}

}  // namespace qeval
