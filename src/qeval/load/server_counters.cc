#include "qeval/load/server_counters.h"

#include <algorithm>
#include <utility>

#include "qeval/net/http_client.h"
#include "qeval/net/prometheus.h"

namespace qeval {
namespace {

double added(double a, double b) { return a < 0 || b < 0 ? -1 : a + b; }

}  // namespace

std::optional<ServerCounters> parse_server_counters(std::string_view metrics) {
  constexpr std::pair<std::string_view, double ServerCounters::*> kNames[] = {
      {"vllm:prompt_tokens_total", &ServerCounters::prompt_tokens},     {"llamacpp:prompt_tokens_total", &ServerCounters::prompt_tokens},
      {"vllm:generation_tokens_total", &ServerCounters::new_tokens},    {"llamacpp:tokens_predicted_total", &ServerCounters::new_tokens},
      {"vllm:num_preemptions_total", &ServerCounters::preemptions},     {"vllm:prefix_cache_queries_total", &ServerCounters::prefix_queries},
      {"vllm:prefix_cache_hits_total", &ServerCounters::prefix_hits},
  };
  ServerCounters out;
  for_each_metric(metrics, [&](std::string_view name, double value) {
    if (value < 0) return;
    for (const auto& [known, field] : kNames)
      if (known == name) out.*field = std::max(out.*field, 0.0) + value;
  });
  if (out.prompt_tokens < 0 || out.new_tokens < 0) return std::nullopt;
  return out;
}

std::optional<ServerCounters> read_server_counters(const std::vector<std::string>& metrics_urls, const std::string& api_key) {
  std::optional<ServerCounters> sum;
  for (const std::string& url : metrics_urls) {
    HttpRequest request;
    request.url = url;
    request.bearer_token = api_key;
    request.max_bytes = int64_t{16} << 20;
    request.connect_timeout_s = 3;
    request.stall_timeout_s = 5;
    request.retries = 0;
    auto text = http_get(request);
    if (!text) return std::nullopt;
    auto one = parse_server_counters(*text);
    if (!one) return std::nullopt;
    if (!sum) {
      sum = one;
      continue;
    }
    sum->prompt_tokens = added(sum->prompt_tokens, one->prompt_tokens);
    sum->new_tokens = added(sum->new_tokens, one->new_tokens);
    sum->preemptions = added(sum->preemptions, one->preemptions);
    sum->prefix_queries = added(sum->prefix_queries, one->prefix_queries);
    sum->prefix_hits = added(sum->prefix_hits, one->prefix_hits);
  }
  return sum;
}

}  // namespace qeval
