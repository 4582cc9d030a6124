#include "qeval/monitor/usage.h"

#include <algorithm>
#include <optional>
#include <set>

namespace qeval {
namespace {

const std::set<std::string> kCounters = {"generation_tokens", "prompt_tokens", "preemptions", "prefix_queries", "prefix_hits"};

}  // namespace

Json usage_json(const MonitorSummary& s, int64_t n_tokens) {
  Json out = Json::object();
  if (s.device_power_w) out["power_w"] = *s.device_power_w;
  if (s.device_energy_j) {
    out["energy_j"] = *s.device_energy_j;
    if (n_tokens > 0) out["energy_j_per_1000_tokens"] = *s.device_energy_j * 1000 / static_cast<double>(n_tokens);
  }
  if (s.highest_temperature_c) out["highest_temperature_c"] = *s.highest_temperature_c;
  if (s.mean_sm_clock_mhz) out["mean_sm_clock_mhz"] = *s.mean_sm_clock_mhz;
  if (s.lowest_sm_clock_mhz) out["lowest_sm_clock_mhz"] = *s.lowest_sm_clock_mhz;
  if (!s.throttled.empty()) out["throttled"] = s.throttled;
  if (s.foreign_processes) out["foreign_processes"] = *s.foreign_processes;
  if (s.lowest_host_available_bytes > 0) out["lowest_host_available_bytes"] = s.lowest_host_available_bytes;
  return out;
}

Json series_window(const Json& series, double from_s, double to_s) {
  if (!series.is_object() || !series.contains("columns") || !series.contains("rows")) return nullptr;
  const Json& columns = series["columns"];
  Json out = Json::object();
  for (size_t c = 1; c < columns.size(); ++c) {
    double sum = 0, peak = 0;
    std::optional<double> first, last;
    int n = 0;
    for (const Json& row : series["rows"]) {
      if (!row.is_array() || row.size() <= c || !row[0].is_number() || !row[c].is_number()) continue;
      double t = row[0].get<double>(), value = row[c].get<double>();
      if (t < from_s) first = value;  // what a counter stood at before
      if (t < from_s || t > to_s) continue;
      if (!first) first = value;
      last = value;
      sum += value;
      peak = n == 0 ? value : std::max(peak, value);
      ++n;
    }
    if (n == 0) continue;
    std::string name = columns[c].get<std::string>();
    if (kCounters.contains(name)) out[name] = *last - *first;
    else out[name] = {{"mean", sum / n}, {"peak", peak}};
  }
  return out.empty() ? Json(nullptr) : out;
}

}  // namespace qeval
