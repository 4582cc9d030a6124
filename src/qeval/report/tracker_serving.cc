#include <fmt/format.h>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"

namespace qeval {
namespace {

std::string share(double value) { return percent(value, 0); }

std::string power_line(const RunPerformance& p) {
  const Json& u = p.usage;
  if (!u.is_object() || !u.contains("power_w")) return "";
  std::string out = fmt::format("- **Power:** {:.0f} W on average, {:.0f} J in all", json_number(u, "power_w"), json_number(u, "energy_j"));
  if (u.contains("energy_j_per_1000_tokens")) out += fmt::format(", {:.1f} J per 1,000 generated tokens", json_number(u, "energy_j_per_1000_tokens"));
  if (u.contains("highest_temperature_c")) out += fmt::format("; {:.0f} °C at most", json_number(u, "highest_temperature_c"));
  if (u.contains("mean_sm_clock_mhz"))
    out += fmt::format("; clock {:.0f} MHz on average, {:.0f} at least", json_number(u, "mean_sm_clock_mhz"), json_number(u, "lowest_sm_clock_mhz"));
  return out + "\n";
}

std::string disturbance_line(const RunPerformance& p) {
  std::string out;
  if (p.usage.is_object() && p.usage.contains("throttled") && p.usage["throttled"].is_object())
    for (const auto& [reason, part] : p.usage["throttled"].items())
      if (part.is_number()) out += fmt::format("{}slowed down ({}) {} of the time", out.empty() ? "" : "; ", md(reason), share(part.get<double>()));
  if (int64_t n = json_int(p.usage, "foreign_processes"); n > 0) out += fmt::format("{}{} other processes computed on the device", out.empty() ? "" : "; ", n);
  if (double n = json_number(p.server, "preemptions"); n > 0) out += fmt::format("{}{:.0f} preemptions for want of KV", out.empty() ? "" : "; ", n);
  return out.empty() ? "" : "- **⚠️ Disturbed:** " + out + "\n";
}

std::string server_line(const RunPerformance& p) {
  const Json& s = p.server;
  if (!s.is_object()) return "";
  std::string out;
  auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (s.contains("running_mean")) add(fmt::format("{:.1f} requests at a time (at most {:.0f})", json_number(s, "running_mean"), json_number(s, "running_peak")));
  if (s.contains("waiting_peak")) add(fmt::format("{:.1f} waiting (at most {:.0f})", json_number(s, "waiting_mean"), json_number(s, "waiting_peak")));
  if (s.contains("kv_usage_peak")) add(fmt::format("KV cache {} full (at most {})", share(json_number(s, "kv_usage_mean")), share(json_number(s, "kv_usage_peak"))));
  if (s.contains("prefix_hit_share")) add(fmt::format("prefix cache hits {}", share(json_number(s, "prefix_hit_share"))));
  if (s.contains("prompt_tokens")) add(fmt::format("{:.0f} prompt and {:.0f} generated tokens", json_number(s, "prompt_tokens"), json_number(s, "generation_tokens")));
  if (s.contains("queue_s"))
    add(fmt::format("queue {:.1f} s, prefill {:.1f} s, decode {:.1f} s over all requests", json_number(s, "queue_s"), json_number(s, "prefill_s"), json_number(s, "decode_s")));
  if (s.contains("ttft_mean_s")) add(fmt::format("first token {:.3f} s on average", json_number(s, "ttft_mean_s")));
  if (s.contains("itl_mean_s")) add(fmt::format("{:.1f} ms between tokens", 1e3 * json_number(s, "itl_mean_s")));
  return out.empty() ? "" : "- **Server (its own counters):** " + out + "\n";
}

std::string ratio(double measured, double predicted) {
  return predicted > 0 ? fmt::format(" (measured {:.2f} of it)", measured / predicted) : "";
}

std::string predicted_line(const RunPerformance& p) {
  const Json& q = p.predicted;
  if (!q.is_object()) return "";
  std::string out = "- **Predicted:** ";
  double expected = json_number(q, "expected_generated_tok_s");
  if (expected > 0 && p.generated_tok_s)
    out += fmt::format("{} generated{}", number_or_unmeasured(expected, "tokens/second"), ratio(*p.generated_tok_s, expected));
  else if (double total = json_number(q, "expected_total_tok_s"); total > 0 && p.total_tok_s)
    out += fmt::format("{} in all{}", number_or_unmeasured(total, "tokens/second"), ratio(*p.total_tok_s, total));
  else
    out += "no throughput";
  std::string source = json_string(q, "calibrated_by");
  out += source.empty() ? ", at the roofline of " + md(json_string(q, "hardware")) : ", by the efficiency of " + md(source);
  if (double memory = json_number(q, "memory_bytes"); memory > 0) {
    out += fmt::format("; memory {}", gigabytes_or_unmeasured(static_cast<int64_t>(memory)));
    if (p.model_bytes && p.kv_bytes && p.compute_bytes)
      out += ratio(static_cast<double>(*p.model_bytes + *p.kv_bytes + *p.compute_bytes), memory);
  }
  if (q.contains("decode_efficiency")) out += fmt::format("; answers reached {} of the roofline", percent(json_number(q, "decode_efficiency"), 1));
  return out + "\n";
}

}  // namespace

std::string serving_lines(const RunPerformance& p) { return power_line(p) + server_line(p) + disturbance_line(p) + predicted_line(p); }

}  // namespace qeval
