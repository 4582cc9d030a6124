#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "qeval/util/clock.h"
#include "qeval/util/json.h"

namespace qeval {

// What an inference server's /metrics says at one moment, summed over its engines; absent = not told. Counters count from the
// server's start. vLLM (old and new names) and llama-server.
struct ServerReading {
  std::optional<double> running, waiting, kv_usage;  // requests; share of the KV cache, 0..1 (mean of the engines)
  std::optional<double> prefix_queries, prefix_hits, preemptions, prompt_tokens, generation_tokens, requests;
  std::optional<double> queue_s, prefill_s, decode_s;  // summed over requests
  std::optional<double> ttft_s, ttft_n, itl_s, itl_n, e2e_s, e2e_n;
};

// Prometheus' text format; lines that it cannot read and names that it does not know are passed over. Any bytes.
ServerReading parse_server_metrics(std::string_view text);
// Of several servers of one run.
ServerReading joined(const ServerReading& a, const ServerReading& b);

// Asks servers for their metrics once a period from a thread of its own, so that one that hangs holds nothing up. start() and
// stop() from one thread.
class ServerWatch {
 public:
  explicit ServerWatch(std::vector<std::string> urls, size_t max_rows = 1024);
  ~ServerWatch();
  void start(std::chrono::milliseconds period);
  // A last reading, then nothing more.
  void stop();
  // {"columns": ["t_s", "running", "waiting", "kv_usage", "generation_tokens", "prompt_tokens", "preemptions",
  // "prefix_queries", "prefix_hits"], "rows": […]}: counters since start(), null = not told. null where no server told anything.
  Json series() const;
  // Of the time between the first and the last reading: means and peaks of gauges, differences of counters, means of times.
  Json summary() const;

 private:
  struct Row {
    double t_s = 0;
    ServerReading reading;
  };
  void loop(std::chrono::milliseconds period);
  void read();

  std::vector<std::string> urls_;
  size_t max_rows_;
  std::thread thread_;
  mutable std::mutex mutex_;  // rows_, stop_
  std::condition_variable wake_;
  bool stop_ = false;
  SteadyClock::time_point started_{};
  std::vector<Row> rows_;
  ServerReading first_;
  size_t stride_ = 1, skipped_ = 0;
};

}  // namespace qeval
