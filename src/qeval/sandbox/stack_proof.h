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
};
// Whether the interpreter itself waits at `now` as it did at `first`. A C library takes a slightly other way through read
// once there are threads (40 bytes deeper on glibc 2.36), hence the tolerance; the least that a program can run deeper by is
// a whole evaluation of a frame, over 800 bytes on CPython 3.8 to 3.13.
bool same_place(const WaitingPoint& first, const WaitingPoint& now);

// number = -1: it runs. nullopt: it is gone, or may not be looked at. `user`: whose process it is where that is not the
// caller; a root without the right to trace (a container) borrows that identity for the look.
std::optional<WaitingPoint> waiting_point(pid_t pid, uid_t user);
// Time that the process spent ready to run without a processor; 0 where the kernel does not say. /proc/PID/schedstat.
double run_queue_wait_s(pid_t pid);

}  // namespace qeval
