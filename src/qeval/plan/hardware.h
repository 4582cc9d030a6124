#pragma once

#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// One device. Peak figures from the makers' data sheets (dense, without sparsity), or measured for a CPU.
struct Hardware {
  std::string id;     // h100
  std::string name;   // NVIDIA H100 80 GB (SXM)
  double memory_bytes = 0;
  double bandwidth = 0;  // bytes a second
  double flops = 0;      // bf16 matrix products a second, multiply and add counted apart
  bool is_cpu = false;
  std::string source;    // data sheet, or "measured on this machine"
};

const std::vector<Hardware>& known_hardware();

// A table's id, or NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS. Error (bad_input) lists what is known. "cpu" and "auto" are the
// caller's: they need this machine.
Result<Hardware> find_hardware(const std::string& asked);
// The table's row for a device as its driver names it ("NVIDIA H100 80GB HBM3"), with that device's memory; not_found.
Result<Hardware> hardware_for_device(const std::string& device_name, double memory_bytes);

}  // namespace qeval
