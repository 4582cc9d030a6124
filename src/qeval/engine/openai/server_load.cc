#include "qeval/engine/openai/server_load.h"

#include <cmath>
#include <cstdlib>

namespace qeval {
namespace {

constexpr size_t kMaxMetrics = size_t{4} << 20;
constexpr auto kEvery = std::chrono::seconds(1);

// Sum of a metric over its label sets; no value where the text does not have it.
std::optional<int> sum_of(std::string_view metrics, std::string_view name) {
  std::optional<double> sum;
  size_t at = 0;
  while ((at = metrics.find(name, at)) != std::string_view::npos) {
    const bool begins = at == 0 || metrics[at - 1] == '\n';
    at += name.size();
    if (!begins || at >= metrics.size() || (metrics[at] != '{' && metrics[at] != ' ')) continue;
    const size_t end = std::min(metrics.find('\n', at), metrics.size());
    const std::string line(metrics.substr(at, end - at));
    const size_t space = line.rfind(' ');
    if (space == std::string::npos) continue;
    const double value = std::strtod(line.c_str() + space, nullptr);
    if (std::isfinite(value) && value >= 0 && value < 1e6) sum = sum.value_or(0) + value;
  }
  if (!sum) return std::nullopt;
  return static_cast<int>(*sum);
}

}  // namespace

std::optional<LoadReading> read_load(std::string_view metrics) {
  auto waiting = sum_of(metrics, "vllm:num_requests_waiting"), running = sum_of(metrics, "vllm:num_requests_running");
  if (!waiting) {
    waiting = sum_of(metrics, "llamacpp:requests_deferred");
    running = sum_of(metrics, "llamacpp:requests_processing");
  }
  if (!waiting || !running) return std::nullopt;
  return LoadReading{*waiting, *running};
}

bool ServerLoad::Probe::on_data(long status, std::string_view bytes) {
  if (status != 200) return true;
  body.append(bytes);
  return body.size() <= kMaxMetrics;
}

void ServerLoad::Probe::on_end(const HttpEnd& end) {
  running = false;
  if (end.fault == HttpFault::none && end.status == 200) reading = read_load(body);
}

ServerLoad::ServerLoad(const std::vector<std::string>& base_urls, HttpMulti& multi, bool enabled) : multi_(multi) {
  if (!enabled) return;
  for (const std::string& url : base_urls) {
    auto probe = std::make_unique<Probe>();
    probe->url = url + "/metrics";
    probes_.push_back(std::move(probe));
  }
}

ServerLoad::~ServerLoad() {
  for (auto& probe : probes_) multi_.abort(probe.get());
}

void ServerLoad::ask_if_due(SteadyClock::time_point now) {
  if (probes_.empty() || now < due_) return;
  due_ = now + kEvery;
  for (auto& probe : probes_) {
    if (probe->running) continue;
    probe->body.clear();
    probe->reading.reset();
    probe->running = multi_.start({probe->url, ""}, probe.get()).has_value();
  }
}

std::optional<LoadReading> ServerLoad::take() {
  LoadReading sum;
  bool any = false;
  for (auto& probe : probes_) {
    if (probe->running) return std::nullopt;
    if (!probe->reading) continue;
    any = true;
    sum.n_waiting += probe->reading->n_waiting;
    sum.n_running += probe->reading->n_running;
  }
  for (auto& probe : probes_) probe->reading.reset();
  return any ? std::optional(sum) : std::nullopt;
}

}  // namespace qeval
