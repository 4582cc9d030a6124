#pragma once

#include <atomic>

namespace qeval {

// While it lives, SIGINT and SIGTERM set a flag instead of ending the process; a second one ends it at once with 130.
// One at a time; the earlier handlers come back at the end.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  const std::atomic<bool>& flag() const;
};

}  // namespace qeval
