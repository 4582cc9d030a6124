#include "qeval/load/server_counters.h"

#include <cmath>
#include <cstdlib>

#include "qeval/net/http_client.h"

namespace qeval {
namespace {

// -1 where no line begins with one of the names.
double sum_of(std::string_view metrics, std::initializer_list<std::string_view> names) {
  double sum = -1;
  for (size_t at = 0; at < metrics.size();) {
    const size_t end = std::min(metrics.find('\n', at), metrics.size());
    const std::string line(metrics.substr(at, end - at));
    at = end + 1;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    for (std::string_view wanted : names) {
      if (name != wanted) continue;
      const double value = std::strtod(line.c_str() + line.rfind(' '), nullptr);
      if (std::isfinite(value) && value >= 0) sum = std::max(sum, 0.0) + value;
    }
  }
  return sum;
}

double added(double a, double b) { return a < 0 || b < 0 ? -1 : a + b; }

}  // namespace

std::optional<ServerCounters> parse_server_counters(std::string_view metrics) {
  ServerCounters out;
  out.prompt_tokens = sum_of(metrics, {"vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total"});
  out.new_tokens = sum_of(metrics, {"vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"});
  out.preemptions = sum_of(metrics, {"vllm:num_preemptions_total"});
  out.prefix_queries = sum_of(metrics, {"vllm:prefix_cache_queries_total"});
  out.prefix_hits = sum_of(metrics, {"vllm:prefix_cache_hits_total"});
  if (out.prompt_tokens < 0 || out.new_tokens < 0) return std::nullopt;
  return out;
}

std::optional<ServerCounters> read_server_counters(const std::vector<std::string>& base_urls, const std::string& api_key) {
  std::optional<ServerCounters> sum;
  for (const std::string& url : base_urls) {
    HttpRequest request;
    request.url = url + "/metrics";
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
