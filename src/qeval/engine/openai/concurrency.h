#pragma once

#include "qeval/util/clock.h"

namespace qeval {

// How many requests to keep in flight. Doubles while throughput grows by it, holds where it does not, returns to the
// best level where it fell, gives way to 429, 503 and a queue inside the server, and tries again now and then. Time comes
// in as arguments. Not thread-safe.
class ConcurrencyControl {
 public:
  // `adaptive` false: always `max`.
  ConcurrencyControl(int max, bool adaptive);
  int limit() const { return limit_; }
  int best() const { return best_limit_; }

  // An answer came that was worth `work` (tokens); `in_flight` before it.
  void on_answer(SteadyClock::time_point now, double work, int in_flight);
  void on_push_back(SteadyClock::time_point now);
  // What the server itself says: requests that wait inside it, and those that it works on.
  void on_server_queue(SteadyClock::time_point now, int n_waiting, int n_running);

 private:
  void close_window(SteadyClock::time_point now);
  void open_window(SteadyClock::time_point now);
  void set_limit(int limit);

  const int max_;
  const bool adaptive_;
  int limit_, ceiling_;
  int best_limit_;
  double best_rate_ = 0;
  int n_held_ = 0;         // windows since the limit last changed
  bool open_ = false;
  SteadyClock::time_point window_start_{}, last_push_back_{};
  int n_answers_ = 0, n_full_ = 0;
  double work_ = 0;
};

}  // namespace qeval
