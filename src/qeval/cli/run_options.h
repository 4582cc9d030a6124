#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "qeval/cli/compose.h"
#include "qeval/runner/run.h"

namespace qeval {

// `qeval run` as typed.
struct RunOptions {
  CommonOptions common;
  std::string model, engine = "llama", preset = "balanced", tasks, suite;
  std::optional<int64_t> limit;
  std::optional<int> num_fewshot, repeats;
  bool apply_chat_template = false, fewshot_as_multiturn = true;
  uint64_t seed = 1234;
  std::optional<uint64_t> sample_seed;
  std::string samples_file;          // JSON {"task": [doc ids]}
  std::string tool_mode;                     // "" = by the model
  std::optional<int> thinking_budget;
  std::string output_path, tracker = "TRACKER.md", gen_kwargs, system_instruction, thinking, weights_id, weights_as, fake_script, vllm;
  std::vector<std::string> set;      // KEY=VALUE of the preset
  std::vector<std::string> base_urls;
  std::string tokenizer;             // GGUF file
  std::vector<std::string> vary;     // KEY=a,b: a run for each
  bool no_tracker = false, fresh = false, exact = false, predict_only = false, dry_run = false, base_model = false;
  bool respect_batch_size = false;
  double yarn_factor = 0;
  int n_threads = 0;
};

void add_run_options(CLI::App& app, RunOptions& options);
EngineRequest engine_request(const RunOptions& options);
// What can be said to be wrong before a model is fetched or loaded: tasks, suite, preset, values.
Status check_run_options(const RunOptions& options, const TaskRegistry& registry);
// Tasks or suite, overrides per task, preset with --set applied. Errors name the option and what was expected.
Result<RunPlan> make_run_plan(const RunOptions& options, const EnginePlan& engine, const TaskRegistry& registry);
Result<Preset> preset_with_settings(const std::string& name, const std::vector<std::string>& settings);

}  // namespace qeval
