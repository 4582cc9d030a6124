#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/engine/vllm/install.h"
#include "qeval/util/json.h"

namespace qeval {

struct VllmCommandRequest {
  VllmInstall install;
  const FlagTable* flags = nullptr;
  std::string model;                // HF id, or a folder in Hugging Face layout
  std::string revision;             // of an HF id; "" = the hub's newest
  std::string served_name;
  Preset preset;                    // preset.vllm: further flags, and env, ray_address, start_timeout_s, stall_timeout_s
  std::optional<ModelSpec> spec;
  Json config;                      // the model's config.json where it is at hand, else null
  double yarn_factor = 0;           // static YaRN only when asked
  uint64_t seed = 1234;
  int port = 0;
  double cpu_kv_gib = 0;            // room for KV on a CPU build, 0: vLLM's own choice
};

struct VllmCommand {
  std::vector<std::string> argv;         // argv[0]: the program
  std::vector<std::string> environment;  // KEY=VALUE, in addition to the caller's
  std::vector<std::string> notes;        // what was left out or has no effect, and why
  Json settings;                         // resolved flags that can change a number: no address, no names
  int max_model_len = 0;
  int port = 0;
  int start_timeout_s = 3600, stall_timeout_s = 600;  // in all; without a new line in the log
};

// The command line of a server that listens on loopback. Order of precedence: preset.vllm, then the preset's own fields and
// what the model needs (context, parsers, YaRN). Errors: usage (a flag that this vLLM lacks, a value that cannot be, a flag
// that is qeval's to set), environment (vLLM too old for the model).
Result<VllmCommand> build_vllm_command(const VllmCommandRequest& request);

// For people to copy: environment and arguments, quoted for a shell.
std::string shell_line(const VllmCommand& command);

}  // namespace qeval
