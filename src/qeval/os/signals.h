#pragma once

#include <atomic>

#include "qeval/util/result.h"

namespace qeval {

// While it lives, the first SIGINT or SIGTERM sets a flag and wakes a descriptor; the second ends the process at once
// with exit code 130. SIGPIPE is ignored. Restores the former handlers on destruction. One at a time in a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Valid for the life of the program; reset by the next StopSignals.
  const std::atomic<bool>* flag() const;
  // Readable from the first signal on: for poll. Do not read from it.
  int wake_fd() const;
};

}  // namespace qeval
