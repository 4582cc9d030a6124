#pragma once

#include <sys/types.h>

#include <cstdint>
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

}  // namespace qeval
