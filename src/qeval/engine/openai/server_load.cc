#include "qeval/engine/openai/server_load.h"

#include "qeval/net/prometheus.h"

namespace qeval {
namespace {

constexpr size_t kMaxMetrics = size_t{4} << 20;
constexpr auto kEvery = std::chrono::seconds(1);

}  // namespace

std::optional<LoadReading> read_load(std::string_view metrics) {
  struct Gauge {
    std::string_view name;
    std::optional<double> sum = std::nullopt;  // over its label sets
  };
  Gauge vllm[] = {{"vllm:num_requests_waiting"}, {"vllm:num_requests_running"}};
  Gauge llama[] = {{"llamacpp:requests_deferred"}, {"llamacpp:requests_processing"}};
  for_each_metric(metrics, [&](std::string_view name, double value) {
    if (value < 0 || value >= 1e6) return;
    for (Gauge* gauge : {&vllm[0], &vllm[1], &llama[0], &llama[1]})
      if (gauge->name == name) gauge->sum = gauge->sum.value_or(0) + value;
  });
  const Gauge* told = vllm[0].sum ? vllm : llama;
  if (!told[0].sum || !told[1].sum) return std::nullopt;
  return LoadReading{static_cast<int>(*told[0].sum), static_cast<int>(*told[1].sum)};
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
