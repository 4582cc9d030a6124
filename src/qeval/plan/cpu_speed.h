#pragma once

#include "qeval/plan/hardware.h"

namespace qeval {

struct CpuSpeed {
  double bandwidth = 0;  // bytes a second, reading, all threads
  double flops = 0;      // multiply-adds a second, counted as two: of bf16 pairs where the CPU has them, else fp32
  int n_threads = 0;
};

// Reads an array larger than the caches, then multiplies and adds in registers by the fastest instruction that libllama uses, `seconds` in all, on `n_threads` threads
// (0: all that this process may use). Other work on the machine makes the figures lower.
CpuSpeed measure_cpu(double seconds = 2, int n_threads = 0);
// This machine as hardware; memory: what the host has.
Hardware measured_cpu(double memory_bytes, const std::string& cpu_name, double seconds = 2, int n_threads = 0);

}  // namespace qeval
