#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qeval {

// What servers count themselves since they were started, summed over label sets. -1 = the server does not say.
struct ServerCounters {
  double prompt_tokens = -1, new_tokens = -1, preemptions = -1, prefix_queries = -1, prefix_hits = -1;
};
// From a Prometheus text; no value where it counts no tokens (vLLM and llama-server do).
std::optional<ServerCounters> parse_server_counters(std::string_view metrics);
// The sum over several servers; no value where one has none. Blocking, a few seconds at most.
std::optional<ServerCounters> read_server_counters(const std::vector<std::string>& metrics_urls, const std::string& api_key);

}  // namespace qeval
