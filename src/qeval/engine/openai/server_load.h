#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/net/http_multi.h"
#include "qeval/util/clock.h"

namespace qeval {

struct LoadReading {
  int n_waiting = 0, n_running = 0;
};
// From a Prometheus text: vLLM's num_requests_waiting and _running, llama-server's requests_deferred and _processing.
std::optional<LoadReading> read_load(std::string_view metrics);

// Asks the servers once a second how many requests wait inside them. Used on the session's thread only.
class ServerLoad {
 public:
  ServerLoad(const std::vector<std::string>& base_urls, HttpMulti& multi, bool enabled);
  ~ServerLoad();
  void ask_if_due(SteadyClock::time_point now);
  // The sum over all servers, once for each round of answers.
  std::optional<LoadReading> take();

 private:
  struct Probe : HttpSink {
    std::string url, body;
    bool running = false;
    std::optional<LoadReading> reading;
    bool on_data(long status, std::string_view bytes) override;
    void on_end(const HttpEnd& end) override;
  };
  HttpMulti& multi_;
  std::vector<std::unique_ptr<Probe>> probes_;
  SteadyClock::time_point due_{};
};

}  // namespace qeval
