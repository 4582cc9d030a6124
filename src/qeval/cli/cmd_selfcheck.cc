#include <fmt/format.h>

#include <algorithm>

#include "qeval/cli/cmd_selfcheck_batching.h"
#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/runner/selfcheck.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

struct SelfcheckArguments {
  CommonOptions common;
  std::string tasks;
  int64_t limit = 0;
  bool fixtures_only = false, batching = false;
  std::string model;
  std::vector<std::string> settings;
};

Json to_json(const SelfcheckItem& item) {
  return {{"task", item.task}, {"data", item.data}, {"check", item.check}, {"passed", item.passed},
          {"expected", item.expected}, {"found", item.found}, {"n", item.n}, {"doc_ids", item.doc_ids}, {"not_checked", item.not_checked}};
}

void print_table(const std::vector<SelfcheckItem>& items) {
  Table table;
  table.headers = {"Task", "Data", "Check", "n", "Expected", "Found", ""};
  table.aligns = {Align::left, Align::left, Align::left, Align::right, Align::left, Align::left, Align::left};
  for (const SelfcheckItem& item : items) {
    std::string data = item.data == "fixture" ? "fixture" : "real";
    auto shorten = [](const std::string& text) { return text.size() > 60 ? printable(text.substr(0, 57)) + "…" : printable(text); };
    std::string expected = item.check == "prompts" ? item.expected.substr(0, 12) : item.expected;
    std::string found = item.check == "prompts" ? item.found.substr(0, 12) : item.found;
    table.rows.push_back({item.task, data, item.check, std::to_string(item.n), shorten(expected), shorten(found),
                          !item.not_checked.empty() ? "not checked" : item.passed ? "ok" : "FAILED"});
  }
  fmt::print("{}", table.terminal());
  std::vector<std::string> reasons;
  for (const SelfcheckItem& item : items)
    if (!item.not_checked.empty() && std::find(reasons.begin(), reasons.end(), item.not_checked) == reasons.end()) reasons.push_back(item.not_checked);
  for (const std::string& reason : reasons) fmt::print("not checked: {}\n", printable(reason));
}

// Groups and tags stand for their tasks; each is checked once.
Result<std::vector<std::string>> names_of(const SelfcheckArguments& options, const Selfcheck& selfcheck) {
  std::vector<std::string> asked = split_commas(options.tasks), out;
  if (asked.empty()) return selfcheck.expand("");
  for (const std::string& name : asked) {
    QEVAL_TRY(auto tasks, selfcheck.expand(name));
    for (std::string& task : tasks)
      if (std::find(out.begin(), out.end(), task) == out.end()) out.push_back(std::move(task));
  }
  return out;
}

Result<int> run_selfcheck(const SelfcheckArguments& options) {
  if (options.batching) {
    BatchingOptions batching;
    batching.common = options.common;
    batching.model = options.model;
    batching.settings = options.settings;
    if (!options.tasks.empty()) batching.tasks = options.tasks;
    if (options.limit > 0) batching.limit = options.limit;
    return selfcheck_batching(batching);
  }
  SandboxHolder sandbox(options.common.unsafe_code);
  SelfcheckOptions check;
  check.include_paths = options.common.include_paths;
  check.data_dir = options.common.data_dir;
  const TaskSources sources = task_sources(options.common);
  check.cache_dir = sources.cache_dir;
  check.outside_tools = sources.outside_tools;
  check.limit = options.limit;
  check.fixtures_only = options.fixtures_only;
  check.sandbox = [&] { return sandbox.get(); };
  QEVAL_TRY(auto selfcheck, open_selfcheck(check));
  QEVAL_TRY(auto names, names_of(options, *selfcheck));
  std::vector<SelfcheckItem> all;
  for (size_t i = 0; i < names.size(); ++i) {
    console().progress(fmt::format("selfcheck {}/{}: {}", i + 1, names.size(), names[i]));
    QEVAL_TRY(auto items, selfcheck->check(names[i]));
    all.insert(all.end(), items.begin(), items.end());
  }
  console().progress_done();
  int64_t n_failed = std::count_if(all.begin(), all.end(), [](const SelfcheckItem& i) { return !i.passed && i.not_checked.empty(); });
  int64_t n_open = std::count_if(all.begin(), all.end(), [](const SelfcheckItem& i) { return !i.not_checked.empty(); });
  if (options.common.json) {
    Json list = Json::array();
    for (const SelfcheckItem& item : all) list.push_back(to_json(item));
    fmt::print("{}\n", dump_json({{"passed", n_failed == 0}, {"n_failed", n_failed}, {"n_not_checked", n_open}, {"items", list}}, 2));
  } else {
    print_table(all);
    fmt::print("{} checks of {} tasks, {} failed{}\n", all.size(), names.size(), n_failed, n_open ? fmt::format(", {} not checked", n_open) : "");
  }
  return n_failed ? kCheckFailed : kDone;
}

}  // namespace

void add_selfcheck_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<SelfcheckArguments>();
  CLI::App* sub = app.add_subcommand("selfcheck", "Prove the harness: planted answers through the real pipeline");
  sub->add_option("--tasks", options->tasks, "Comma-separated tasks, groups or tags (default: all built in)");
  sub->add_option("--limit", options->limit, "First N docs of the real data (default: all)");
  sub->add_flag("--fixtures-only", options->fixtures_only, "Only the shipped fixtures, no real data");
  sub->add_flag("--batching", options->batching,
                "Instead: ask a model the same alone, in full batches and in other batches, and show what changes");
  sub->add_option("--model", options->model, "With --batching: registry id or GGUF");
  sub->add_option("--set", options->settings, "With --batching: change a setting of the preset: KEY=VALUE");
  sub->add_flag("--unsafe-code", options->common.unsafe_code, "Run code without a sandbox where none works");
  add_task_source_options(*sub, options->common);
  add_bfcl_option(*sub, options->common);
  add_json_option(*sub, options->common);
  add_examples(*sub, "  qeval selfcheck\n  qeval selfcheck --tasks gsm8k,humaneval --limit 20 --json\n"
                     "  qeval selfcheck --batching --model ./model.gguf --tasks arc_challenge --limit 80");
  sub->callback([&command, options] { command.action = [options] { return run_selfcheck(*options); }; });
}

}  // namespace qeval
