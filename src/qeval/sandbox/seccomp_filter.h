#pragma once

#include <linux/filter.h>

#include <vector>

#include "qeval/util/result.h"

namespace qeval {

struct SeccompOptions {
  // The only path that execve accepts, compared by address: the forked child still shares the caller's addresses, any
  // later image does not know it. Must stay valid until the child has started.
  const char* exec_path = nullptr;
  bool allow_fork = false;      // processes, and signals to them: only where a PID namespace bounds both
  bool allow_metadata = false;  // chmod, utime, truncate by path: only where a mount namespace bounds them
};

// A list of what is allowed; everything else fails with ENOSYS or EPERM. Denied everywhere: sockets other than
// socketpair, ptrace and other processes' memory, limits or scheduling, mounts, namespaces, keys, BPF, io_uring, new
// executable memory. System calls of another architecture kill. Error (environment): libseccomp's reason.
Result<std::vector<sock_filter>> build_seccomp_filter(const SeccompOptions& options);

}  // namespace qeval
