#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace qeval {

// Where the main thread of a process waits in the kernel: proc(5), /proc/PID/syscall.
struct WaitingPoint {
  long number = -1;             // of the system call
  uint64_t descriptor = 0;      // its first argument
  uint64_t stack_pointer = 0;
  uint64_t program_counter = 0;
  bool operator==(const WaitingPoint&) const = default;
};

// nullopt: the process runs, is gone, or may not be looked at.
std::optional<WaitingPoint> waiting_point(pid_t pid);
// Time that the process spent ready to run without a processor; 0 where the kernel does not say. /proc/PID/schedstat.
double run_queue_wait_s(pid_t pid);

}  // namespace qeval
