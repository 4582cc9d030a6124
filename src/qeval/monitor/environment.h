#pragma once

#include <string>

#include "qeval/monitor/device_probe.h"
#include "qeval/util/json.h"

namespace qeval {

// The machine, as stored with each run: os, kernel, arch, cpu, cpu_features (those that decide kernels), cores
// (online), usable_cores (affinity and container limit), memory_bytes, memory_limit_bytes (container, where there is
// one), driver and gpus ({name, total_bytes}; empty list without any). No host name, no user: trackers are published.
// What cannot be read is left out. `root` stands in front of /proc, /sys and /etc.
Json read_environment(const std::string& root = "");
Json read_environment(const std::string& root, DeviceProbe* devices);

}  // namespace qeval
