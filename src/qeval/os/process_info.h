#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// Resources of a process and all its living descendants, from /proc.
struct ProcessUsage {
  int64_t rss_bytes = 0;       // resident now, summed: shared pages count once per process
  int64_t anon_bytes = 0;      // of it, anonymous memory (RssAnon): what the processes themselves allocated
  int64_t peak_rss_bytes = 0;  // highest resident size (VmHWM), summed over the processes that live now
  double cpu_s = 0;            // user and system, with the children that were waited for
  int n_processes = 0, n_threads = 0;
};

// `root` and its descendants, in no order; empty where `root` does not exist.
std::vector<pid_t> process_tree(pid_t root);
// Error (not_found): `root` does not exist. Processes that end meanwhile are left out.
Result<ProcessUsage> process_tree_usage(pid_t root);
// This process alone, without its children.
ProcessUsage own_usage();

// Who a process is: a pid may be given again, but not with the same start time in the same boot.
struct ProcessStat {
  pid_t parent = 0, group = 0;
  uint64_t start_ticks = 0;  // since boot
  bool zombie = false;       // ended, not yet waited for
};
// nullopt: no such process.
std::optional<ProcessStat> process_stat(pid_t pid);
// Living processes of a process group, in no order; zombies are left out.
std::vector<pid_t> process_group(pid_t group);
// Of exactly these processes; those that do not exist are left out.
ProcessUsage processes_usage(const std::vector<pid_t>& pids);

}  // namespace qeval
