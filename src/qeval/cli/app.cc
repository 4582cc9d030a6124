#include "qeval/cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "qeval/cli/command.h"
#include "qeval/text/near_names.h"
#include "qeval/text/unicode.h"
#include "qeval/util/version.h"

namespace qeval {

int exit_code(const Error& error) {
  switch (error.kind) {
    case ErrorKind::usage: return kUsage;
    case ErrorKind::bad_input:
    case ErrorKind::not_found: return kBadInput;
    case ErrorKind::interrupted: return kInterrupted;
    default: return kEnvironment;
  }
}

void add_store_option(CLI::App& app, CommonOptions& options) {
  app.add_option("--store", options.store, "SQLite file that holds runs, responses and scores")->capture_default_str();
}

void add_json_option(CLI::App& app, CommonOptions& options) { app.add_flag("--json", options.json, "Print JSON on stdout"); }

void add_task_source_options(CLI::App& app, CommonOptions& options) {
  app.add_option("--data-dir", options.data_dir, "Folder with data sets already there (else $QEVAL_DATA_DIR, then the cache)")
      ->envname("QEVAL_DATA_DIR");
  app.add_option("--include-path", options.include_paths, "Folder with task YAML of your own, searched first");
}

void add_bfcl_option(CLI::App& app, CommonOptions& options) {
  app.add_option("--bfcl-python", options.bfcl_python,
                 "Python, or virtual environment, that has the package bfcl-eval: its tools carry out the calls of multi-turn function calling "
                 "(else $QEVAL_BFCL_PYTHON, then python3 of PATH)")
      ->envname("QEVAL_BFCL_PYTHON");
}

void add_examples(CLI::App& app, const std::string& examples) { app.footer("Examples:\n" + examples); }

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> out;
  size_t start = 0;
  while (start <= text.size()) {
    size_t comma = std::min(text.find(',', start), text.size());
    if (comma > start) out.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return out;
}

namespace {

// Where the first word names no command: what to say of it.
std::optional<std::string> unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return std::nullopt;
  const std::string word = argv[1];
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  if (std::find(names.begin(), names.end(), word) != names.end()) return std::nullopt;
  const std::string near = near_names(word, names);
  return fmt::format("there is no command '{}'{} `qeval --help` lists them", printable(word), near.empty() ? ";" : near);
}

}  // namespace

int run_cli(int argc, char** argv) {
  CLI::App app("Know which Qwen to deploy, and trust the number.", "qeval");
  app.set_version_flag("--version", std::string("qeval ") + kQevalVersion);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Command command;
  add_run_command(app, command);
  add_show_command(app, command);
  add_compare_command(app, command);
  add_rescore_command(app, command);
  add_judge_command(app, command);
  add_tracker_command(app, command);
  add_selfcheck_command(app, command);
  add_models_commands(app, command);
  add_plan_command(app, command);
  add_model_make_command(app, command);
  add_tasks_commands(app, command);
  add_data_commands(app, command);
  add_store_commands(app, command);
  add_doctor_command(app, command);
  add_bench_command(app, command);
  add_completion_command(app, command);
  add_examples(app,
               "  qeval run --model qwen2.5-0.5b-instruct --suite tracker --limit 100\n"
               "  qeval run --model ./model.gguf --tasks gsm8k,arc_challenge\n"
               "  qeval show --class truncated\n"
               "  qeval selfcheck");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (auto unknown = unknown_command(app, argc, argv)) {
      fmt::print(stderr, "qeval: {}\n", *unknown);
      return kUsage;
    }
    int code = app.exit(e);
    return code == 0 ? kDone : kUsage;
  }
  Result<int> result = command.action();
  if (!result) fmt::print(stderr, "qeval: {}\n", result.error().message);
  const int code = result ? *result : exit_code(result.error());
  if (code != kInterrupted) return code;
  // An engine may have left a thread behind that must not meet the end of static objects.
  std::fflush(nullptr);
  std::_Exit(code);
}

}  // namespace qeval
