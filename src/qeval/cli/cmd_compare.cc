#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/report/paired_report.h"

namespace qeval {
namespace {

struct CompareArguments {
  CommonOptions common;
  std::vector<int64_t> runs;
  std::string tasks;
};

Result<int> compare(const CompareArguments& options) {
  QEVAL_TRY(auto store, open_store(options.common.store, {.read_only = true, .create = false}));
  std::vector<RunView> views;
  for (int64_t id : options.runs) {
    QEVAL_TRY(RunView view, load_view(*store, id));
    views.push_back(std::move(view));
  }
  std::vector<const RunView*> runs;
  std::vector<std::string> labels;
  for (const RunView& v : views) {
    runs.push_back(&v);
    labels.push_back(v.subject());
  }
  std::vector<std::string> tasks = split_commas(options.tasks);
  PairedReport report = compare_runs(runs, labels, tasks);
  if (options.common.json) fmt::print("{}\n", dump_json(paired_json(report), 2));
  else fmt::print("{}", paired_text(report, console().colours()));
  if (report.rows.empty())
    return bad_input(fmt::format("the runs have no {} in common", tasks.empty() ? "task" : "such task"));
  return kDone;
}

}  // namespace

void add_compare_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<CompareArguments>();
  CLI::App* sub = app.add_subcommand("compare", "Compare stored runs doc by doc: is the difference more than noise?");
  sub->add_option("runs", options->runs, "Run numbers: the first is the baseline")->required()->expected(2, 64);
  sub->add_option("--tasks", options->tasks, "Comma-separated tasks or groups (default: all that the runs share)");
  add_store_option(*sub, options->common);
  add_json_option(*sub, options->common);
  add_examples(*sub, "  qeval compare 3 4\n  qeval compare 3 4 5 --tasks gsm8k,mmlu --json");
  sub->callback([&command, options] { command.action = [options] { return compare(*options); }; });
}

}  // namespace qeval
