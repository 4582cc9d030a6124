#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

enum ExitCode { kDone = 0, kCheckFailed = 1, kUsage = 2, kBadInput = 3, kEnvironment = 4, kInterrupted = 130 };
int exit_code(const Error& error);

// Options that several commands share. Defaults follow the design: qeval.db and TRACKER.md in the current folder.
struct CommonOptions {
  std::string store = "qeval.db";
  std::string data_dir;                    // falls back on $QEVAL_DATA_DIR
  std::vector<std::string> include_paths;
  bool json = false;
  bool unsafe_code = false;
  std::string bfcl_python;                 // falls back on $QEVAL_BFCL_PYTHON, then python3 of PATH
};

// What a parsed command line will do; set by the chosen subcommand, run after parsing.
struct Command {
  std::function<Result<int>()> action;
};

// Each adds one subcommand (or a family) to `app`.
void add_run_command(CLI::App& app, Command& command);
void add_show_command(CLI::App& app, Command& command);
void add_compare_command(CLI::App& app, Command& command);
void add_rescore_command(CLI::App& app, Command& command);
void add_judge_command(CLI::App& app, Command& command);
void add_tracker_command(CLI::App& app, Command& command);
void add_selfcheck_command(CLI::App& app, Command& command);
void add_store_commands(CLI::App& app, Command& command);
void add_doctor_command(CLI::App& app, Command& command);
void add_models_commands(CLI::App& app, Command& command);
void add_models_add_command(CLI::App& models, Command& command);
void add_model_make_command(CLI::App& app, Command& command);
void add_tasks_commands(CLI::App& app, Command& command);
void add_data_commands(CLI::App& app, Command& command);
void add_bench_command(CLI::App& app, Command& command);
void add_plan_command(CLI::App& app, Command& command);
void add_completion_command(CLI::App& app, Command& command);

void add_store_option(CLI::App& app, CommonOptions& options);
void add_json_option(CLI::App& app, CommonOptions& options);
void add_task_source_options(CLI::App& app, CommonOptions& options);
void add_bfcl_option(CLI::App& app, CommonOptions& options);
// "Examples:" block at the end of --help.
void add_examples(CLI::App& app, const std::string& examples);

std::vector<std::string> split_commas(const std::string& text);

}  // namespace qeval
