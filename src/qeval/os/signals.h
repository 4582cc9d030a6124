#pragma once

#include <sys/types.h>

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
  const std::atomic<bool>* flag() const { return requested(); }
  // The same without an object: false while there has been none.
  static const std::atomic<bool>* requested();
  // Readable from the first signal on: for poll. Do not read from it.
  int wake_fd() const;
};

// While it lives, a second signal, which ends this process at once, kills that process group first. At most 8 at a time;
// further ones are not taken along.
class KilledOnExit {
 public:
  explicit KilledOnExit(pid_t group);
  ~KilledOnExit();
  KilledOnExit(const KilledOnExit&) = delete;
  KilledOnExit& operator=(const KilledOnExit&) = delete;

 private:
  int place_ = -1;
};

}  // namespace qeval
