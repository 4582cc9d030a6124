#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/util/clock.h"
#include "qeval/util/result.h"

namespace qeval {

// The servers that share the load. One that is not reached rests, longer each time, and is then tried with a single
// request; the others go on meanwhile. Not thread-safe.
class Addresses {
 public:
  explicit Addresses(std::vector<std::string> base_urls);

  // The least loaded that may be asked now; one conversation stays where its prefix is while that address is up.
  std::optional<size_t> pick(uint64_t conversation, SteadyClock::time_point now) const;
  const std::string& url(size_t i) const { return all_[i].url; }
  size_t size() const { return all_.size(); }

  void on_sent(size_t i) { ++all_[i].n_in_flight; }
  void on_dropped(size_t i) { --all_[i].n_in_flight; }
  void on_answer(size_t i);                                            // anything that speaks HTTP
  void on_not_reached(size_t i, SteadyClock::time_point now, double jitter);
  void pause(size_t i, SteadyClock::time_point until);                 // Retry-After
  // Since when no address has been reached; no value while one is up.
  std::optional<SteadyClock::time_point> all_down_since() const;
  std::string summary() const;                                         // for messages: how many are up

 private:
  struct Address {
    std::string url;
    int n_in_flight = 0, n_failures = 0;
    SteadyClock::time_point down_since{}, next_try{};
    bool down() const { return n_failures > 0; }
  };
  bool usable(const Address& address, SteadyClock::time_point now) const;
  std::vector<Address> all_;
};

// Without a trailing slash or "/v1". Error: not http or https, no host.
Result<std::string> normal_base_url(const std::string& url);

}  // namespace qeval
