#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/runner/rescore.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

struct RescoreArguments {
  CommonOptions common;
  std::vector<int64_t> runs;
  bool all = false;
  std::string tasks;
};

Json to_json(const ScoreChange& c) {
  return {{"task", c.task}, {"doc_id", c.doc_id}, {"filter", c.filter}, {"before", to_string(c.before)},
          {"after", to_string(c.after)}, {"extracted_before", c.extracted_before}, {"extracted_after", c.extracted_after}};
}

void print_result(const RescoreResult& result) {
  fmt::print("run {}: {} samples scored again, {} changed\n", result.run, result.n_samples, result.changes.size());
  for (const std::string& note : result.notes) fmt::print("  note: {}\n", note);
  for (const TaskSummary& t : result.tasks)
    if (const MetricSummary* m = t.primary())
      fmt::print("  {}: {} ({}) {:.1f} % [{:.1f}, {:.1f}], n = {}\n", t.task, m->metric, m->filter, 100 * m->value,
                 100 * m->low, 100 * m->high, m->n);
  for (const ScoreChange& c : result.changes)
    fmt::print("  {} doc {} ({}): {} → {}, “{}” → “{}”\n", c.task, c.doc_id, c.filter, to_string(c.before),
               to_string(c.after), printable(c.extracted_before.substr(0, 60)), printable(c.extracted_after.substr(0, 60)));
}

Result<int> rescore(const RescoreArguments& options) {
  if (options.runs.empty() && !options.all) return fail(ErrorKind::usage, "rescore needs a run number or --all");
  QEVAL_TRY(auto store, open_store(options.common.store, {.read_only = false, .create = false}));
  const TaskSources sources = task_sources(options.common);
  QEVAL_TRY(auto registry, open_task_registry(sources));
  std::vector<RunId> ids(options.runs.begin(), options.runs.end());
  if (options.all) {
    QEVAL_TRY(auto runs, store->runs());
    for (const RunRecord& run : runs) ids.push_back(run.id);
  }
  SandboxHolder sandbox(options.common.unsafe_code);
  RescoreOptions rescoring;
  rescoring.tasks = split_commas(options.tasks);
  QEVAL_TRY(rescoring.published, published_scores());
  rescoring.sandbox = [&] { return sandbox.get(); };
  rescoring.outside_tools = sources.outside_tools.get();
  rescoring.progress = [](const std::string& task, int64_t n) { console().progress(fmt::format("rescoring {}: {}", task, n)); };
  Json all = Json::array();
  for (RunId id : ids) {
    QEVAL_TRY(RescoreResult result, rescore_run(*store, *registry, id, rescoring));
    console().progress_done();
    if (!options.common.json) {
      print_result(result);
      continue;
    }
    Json changes = Json::array(), tasks = Json::array();
    for (const ScoreChange& c : result.changes) changes.push_back(to_json(c));
    for (const TaskSummary& t : result.tasks) tasks.push_back(to_json(t));
    all.push_back({{"run", id}, {"n_samples", result.n_samples}, {"changes", changes}, {"tasks", tasks}, {"notes", result.notes}});
  }
  if (options.common.json) fmt::print("{}\n", dump_json(all, 2));
  return kDone;
}

}  // namespace

void add_rescore_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<RescoreArguments>();
  CLI::App* sub = app.add_subcommand("rescore", "Score stored responses again with the current filters; loads no model");
  sub->add_option("run", options->runs, "Run numbers (see `qeval show`)");
  sub->add_flag("--all", options->all, "Every run of the store");
  sub->add_option("--tasks", options->tasks, "Comma-separated tasks of the run (default: all)");
  sub->add_flag("--unsafe-code", options->common.unsafe_code, "Run code without a sandbox where none works");
  add_store_option(*sub, options->common);
  add_task_source_options(*sub, options->common);
  add_bfcl_option(*sub, options->common);
  add_json_option(*sub, options->common);
  add_examples(*sub, "  qeval rescore 3\n  qeval rescore --all --tasks gsm8k");
  sub->callback([&command, options] { command.action = [options] { return rescore(*options); }; });
}

}  // namespace qeval
