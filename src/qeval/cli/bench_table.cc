#include "qeval/cli/bench_table.h"

#include <fmt/format.h>

#include "qeval/text/table.h"

namespace qeval {
namespace {

std::string ms(const std::optional<double>& seconds) {
  if (!seconds) return "–";
  return *seconds < 10 ? fmt::format("{:.4g} ms", 1000 * *seconds) : fmt::format("{:.1f} s", *seconds);
}

std::string three(const LatencyHistogram& h) {
  return h.n() == 0 ? "unmeasured" : fmt::format("{} / {} / {}", ms(h.percentile(0.5)), ms(h.percentile(0.95)), ms(h.percentile(0.99)));
}

std::string verdict(const LevelResult& r) {
  std::string out;
  for (const TargetResult& t : r.targets) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", t.target.text(), t.met ? "met" : "missed");
  if (!r.ended_early.empty()) out += (out.empty() ? "" : "; ") + r.ended_early;
  return out;
}

std::string hygiene_line(const LevelResult& r) {
  auto share = [&](const char* key) {
    return r.hygiene.contains(key) && r.hygiene[key].is_number() ? fmt::format("{:.0f} %", 100 * r.hygiene[key].get<double>()) : std::string("unmeasured");
  };
  const bool preempted = r.hygiene.contains("preemptions") && r.hygiene["preemptions"].is_number();
  const bool clocks = r.hygiene.contains("cpu_clock_mhz") && r.hygiene["cpu_clock_mhz"].is_array();
  std::string out = fmt::format("{} warm-up, prefix-cache hits {}, clock {}, foreign load {}, preemptions {}", r.n_warm_up, share("prefix_cache_hits"),
                                clocks ? fmt::format("{:.0f} to {:.0f} MHz", r.hygiene["cpu_clock_mhz"][0].get<double>(), r.hygiene["cpu_clock_mhz"][1].get<double>()) : "unmeasured",
                                share("foreign_load"), preempted ? fmt::format("{:.0f}", r.hygiene["preemptions"].get<double>()) : "unmeasured");
  if (r.dirt.empty()) return out + ": clean";
  out += ": DIRTY: ";
  for (size_t i = 0; i < r.dirt.size(); ++i) out += (i ? "; " : "") + r.dirt[i];
  return out;
}

std::string client_line(const LevelResult& r) {
  const bool known = r.hygiene.contains("client_cpu") && r.hygiene["client_cpu"].is_number();
  return fmt::format("client {} of a core, send lag {} (median / 95 / 99 %)", known ? fmt::format("{:.0f} %", 100 * r.client_cpu) : "in the engine's process", three(r.send_lag));
}

std::vector<std::string> row(const LevelResult& r, bool with_score) {
  const auto stream = r.stream_s_per_token.percentile(0.5);
  std::vector<std::string> out = {r.plan.label() + (r.dirt.empty() ? "" : " *"),
                                  fmt::format("{}{}", r.n_good, r.n_failed > 0 ? fmt::format(" ({} FAILED)", r.n_failed) : ""),
                                  fmt::format("{:.2f}", r.requests_per_s()), fmt::format("{:.0f}", r.prompt_tokens_per_s()),
                                  fmt::format("{:.1f}", r.new_tokens_per_s()), stream && *stream > 0 ? fmt::format("{:.1f}", 1 / *stream) : "–",
                                  three(r.latencies.ttft), three(r.latencies.itl), three(r.latencies.e2e)};
  if (with_score) out.push_back(r.score ? fmt::format("{:.1f} %", 100 * *r.score) : "–");
  out.push_back(verdict(r));
  return out;
}

}  // namespace

std::string bench_table(const std::vector<LevelResult>& levels, BenchFormat format) {
  bool with_score = false;
  for (const LevelResult& r : levels) with_score = with_score || r.score.has_value();
  Table table;
  table.headers = {"Load", "Answers", "Answers/s", "Prompt tok/s", "New tok/s", "Per stream", "First token p50/95/99", "Between tokens p50/95/99", "Whole answer p50/95/99"};
  table.aligns = {Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right};
  if (with_score) {
    table.headers.push_back("Score");
    table.aligns.push_back(Align::right);
  }
  table.headers.push_back("");
  for (const LevelResult& r : levels) table.rows.push_back(row(r, with_score));
  const bool markdown = format == BenchFormat::markdown;
  std::string out = markdown ? table.markdown() + "\n" : table.terminal();
  for (const LevelResult& r : levels) {
    const char* bullet = markdown ? "- " : "  ";
    out += fmt::format("{}{}: {}\n{}{}: {}\n", bullet, r.plan.label(), client_line(r), bullet, r.plan.label(), hygiene_line(r));
  }
  bool dirty = false;
  for (const LevelResult& r : levels) dirty = dirty || !r.dirt.empty();
  if (dirty) out += markdown ? "\n\\* something outside the setting may have changed these figures\n" : "  * something outside the setting may have changed these figures\n";
  return out;
}

}  // namespace qeval
