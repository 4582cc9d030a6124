#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <string>

#include "qeval/engine/vllm/flag_table.h"
#include "qeval/util/result.h"

namespace qeval {

// A vLLM on this machine.
struct VllmInstall {
  std::string executable;     // absolute
  std::string python;         // its interpreter, "" where the script names none
  std::string version_text;   // 0.32.0+cpu
  VllmVersion version;
  bool cpu_build = false;
};

// `asked`: the program, a virtual environment's folder, or "" = PATH. Reads the version without importing vLLM where the
// script's interpreter tells it. Errors: not_found (says where was looked and how to install), environment (does not run).
Result<VllmInstall> find_vllm(const std::string& asked, const std::atomic<bool>* stop = nullptr);

// Flags of `vllm serve --help=all`. Takes up to a minute, so it is remembered under `cache_dir` by program, version and
// time of change. Empty where the help cannot be had: the version table alone decides then.
std::set<std::string> vllm_help_flags(const VllmInstall& install, const std::string& cache_dir, const std::atomic<bool>* stop,
                                      const std::function<void(const std::string&)>& progress);

}  // namespace qeval
