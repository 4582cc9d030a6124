#include "qeval/load/hygiene.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace qeval {
namespace {

constexpr double kForeign = 0.10, kClockChange = 0.05, kHits = 0.10, kClientCpu = 0.80, kLagShare = 0.05, kTokenShare = 0.02;

struct CpuTimes {
  double busy = 0, all = 0;
};

std::optional<CpuTimes> cpu_times() {
  std::ifstream file("/proc/stat");
  std::string name;
  if (!(file >> name) || name != "cpu") return std::nullopt;
  CpuTimes out;
  double value = 0;
  for (int i = 0; i < 8 && file >> value; ++i) {
    out.all += value;
    if (i != 3 && i != 4) out.busy += value;  // idle, iowait
  }
  return out;
}

double mean_clock_mhz() {
  std::ifstream file("/proc/cpuinfo");
  double sum = 0;
  int n = 0;
  for (std::string line; std::getline(file, line);)
    if (line.rfind("cpu MHz", 0) == 0 && line.find(':') != std::string::npos) {
      sum += std::atof(line.c_str() + line.find(':') + 1);
      ++n;
    }
  return n > 0 ? sum / n : -1;
}

class Judge {
 public:
  Judge(LevelResult& result, const HygieneInput& input) : r_(result), in_(input) {}
  void go() {
    warm_up();
    prefix_cache();
    clocks();
    foreign_load();
    preemptions();
    client();
    token_counts();
    r_.hygiene = std::move(out_);
  }

 private:
  void mark(std::string text) { r_.dirt.push_back(std::move(text)); }

  void warm_up() {
    out_["warm_up_requests"] = r_.n_warm_up;
    if (r_.n_warm_up == 0) mark("no warm-up");
  }

  // From the server's counters where it has them, else from what answers say.
  void prefix_cache() {
    std::optional<double> share;
    const auto &a = in_.counters_before, &b = in_.counters_after;
    if (a && b && a->prefix_queries >= 0 && b->prefix_queries > a->prefix_queries)
      share = (b->prefix_hits - a->prefix_hits) / (b->prefix_queries - a->prefix_queries);
    else if (r_.n_prompt_tokens > 0)
      share = static_cast<double>(r_.n_cached_tokens) / static_cast<double>(r_.n_prompt_tokens);
    out_["prefix_cache_hits"] = share ? Json(*share) : Json(nullptr);
    if (share && *share > kHits && !in_.shares_prefixes) mark(fmt::format("{:.0f} % of the prompt came from the prefix cache", 100 * *share));
  }

  void clocks() {
    out_["cpu_clock_mhz"] = in_.before.clock_mhz < 0 ? Json(nullptr) : Json({in_.before.clock_mhz, in_.after.clock_mhz});
    if (in_.before.clock_mhz <= 0 || in_.after.clock_mhz <= 0) return;
    const double change = in_.after.clock_mhz / in_.before.clock_mhz - 1;
    if (std::abs(change) > kClockChange) mark(fmt::format("CPU clock {:+.0f} %", 100 * change));
  }

  void foreign_load() {
    out_["foreign_load"] = in_.before.busy < 0 ? Json(nullptr) : Json(in_.before.busy);
    if (in_.before.busy > kForeign) mark(fmt::format("foreign load: {:.0f} % of this machine's cores before the first question", 100 * in_.before.busy));
  }

  void preemptions() {
    const auto &a = in_.counters_before, &b = in_.counters_after;
    const bool known = a && b && a->preemptions >= 0 && b->preemptions >= 0;
    out_["preemptions"] = known ? Json(b->preemptions - a->preemptions) : Json(nullptr);
    if (known && b->preemptions > a->preemptions) mark(fmt::format("{:.0f} preemptions in the server", b->preemptions - a->preemptions));
  }

  void client() {
    const double lag = r_.send_lag.percentile(0.99).value_or(0), ttft = r_.latencies.ttft.percentile(0.5).value_or(0);
    out_["client_cpu"] = in_.in_process ? Json(nullptr) : Json(r_.client_cpu);
    out_["send_lag_p99_s"] = lag;
    if (!in_.in_process && r_.client_cpu > kClientCpu) mark(fmt::format("the client used {:.0f} % of a core: it may be what binds", 100 * r_.client_cpu));
    if (lag > 0.001 && lag > kLagShare * ttft) mark(fmt::format("questions left {:.1f} ms late (99th percentile)", 1000 * lag));
  }

  // Only a level in which every question was answered can be held against the server's counters.
  void token_counts() {
    const auto &a = in_.counters_before, &b = in_.counters_after;
    if (!a || !b) {
      out_["server_tokens"] = nullptr;
      return;
    }
    const double served = b->new_tokens - a->new_tokens;
    out_["server_tokens"] = {{"new", served}, {"prompt", b->prompt_tokens - a->prompt_tokens}, {"new_counted_here", r_.n_new_tokens + r_.n_warm_up_tokens}};
    if (!r_.ended_early.empty() || r_.n_failed > 0 || served <= 0) return;
    const double share = static_cast<double>(r_.n_new_tokens + r_.n_warm_up_tokens) / served - 1;
    if (std::abs(share) > kTokenShare) mark(fmt::format("{} new tokens counted here, {:.0f} in the server: others use it, or one counts wrong", r_.n_new_tokens + r_.n_warm_up_tokens, served));
  }

  LevelResult& r_;
  const HygieneInput& in_;
  Json out_ = Json::object();
};

}  // namespace

HostReading read_host(double seconds) {
  HostReading out;
  const auto before = cpu_times();
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto after = cpu_times();
  if (seconds > 0 && before && after && after->all > before->all) out.busy = (after->busy - before->busy) / (after->all - before->all);
  out.clock_mhz = mean_clock_mhz();
  return out;
}

void judge_hygiene(LevelResult& result, const HygieneInput& input) { Judge(result, input).go(); }

}  // namespace qeval
