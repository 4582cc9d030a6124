#include <fmt/format.h>

#include <algorithm>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/core/failure_class.h"
#include "qeval/core/group_spec.h"
#include "qeval/report/format.h"
#include "qeval/report/results_table.h"
#include "qeval/report/show.h"
#include "qeval/runner/run.h"
#include "qeval/text/near_names.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

struct ShowArguments {
  CommonOptions common;
  std::optional<int64_t> run;
  std::string task, failure_class;
  std::vector<int64_t> docs;
  int64_t limit = 10;
  size_t max_chars = 2000;
  bool samples = false;
};

Result<int> list_runs(const ShowArguments& options, const Store& store) {
  QEVAL_TRY(auto runs, store.runs());
  Table table;
  table.headers = {"Run", "Started", "Status", "Model", "Engine", "Preset", "Suite"};
  Json all = Json::array();
  for (const RunRecord& r : runs) {
    table.rows.push_back({std::to_string(r.id), utc_iso(r.started_ms), to_string(r.status), r.model_id, r.engine, r.preset, r.suite});
    all.push_back({{"run", r.id}, {"started", utc_iso(r.started_ms)}, {"status", to_string(r.status)}, {"model", r.model_id},
                   {"engine", r.engine}, {"preset", r.preset}, {"suite", r.suite}});
  }
  if (options.common.json) fmt::print("{}\n", dump_json(all, 2));
  else fmt::print("{}", table.terminal());
  return kDone;
}

bool wanted(const ShowArguments& options, std::optional<FailureClass> cls, const SampleRecord& s) {
  if (!options.docs.empty() && std::find(options.docs.begin(), options.docs.end(), s.doc_id) == options.docs.end()) return false;
  if (!cls) return true;
  return std::any_of(s.scores.begin(), s.scores.end(), [&](const Score& score) { return score.failure_class == *cls; });
}

// The task, or the tasks of the group, that --task names; empty = every task.
Result<std::vector<std::string>> tasks_named(const ShowArguments& options, const Store& store) {
  if (options.task.empty()) return std::vector<std::string>();
  QEVAL_TRY(auto run, store.run(*options.run));
  if (run && run->spec.is_object() && run->spec.contains("groups") && run->spec["groups"].is_array())
    for (const Json& json : run->spec["groups"])
      if (GroupSpec group = group_spec_from_json(json); group.name == options.task) return group.tasks;
  return std::vector{options.task};
}

std::vector<std::string> names_of(const std::vector<TaskRecord>& tasks) {
  std::vector<std::string> names;
  for (const TaskRecord& t : tasks) names.push_back(t.task);
  return names;
}

Result<int> show_samples(const ShowArguments& options, const Store& store, std::optional<FailureClass> cls) {
  QEVAL_TRY(auto tasks, store.tasks(*options.run));
  QEVAL_TRY(auto named, tasks_named(options, store));
  int64_t n = 0;
  bool known = named.empty();
  Json all = Json::array();
  for (const TaskRecord& t : tasks) {
    if (!named.empty() && std::find(named.begin(), named.end(), t.task) == named.end()) continue;
    known = true;
    QEVAL_CHECK(store.for_each_sample(*options.run, t.task, [&](SampleRecord&& s) {
      if (!wanted(options, cls, s)) return true;
      if (options.limit > 0 && n >= options.limit) return false;
      ++n;
      if (options.common.json) all.push_back(sample_json(s));
      else fmt::print("{}\n", sample_text(s, options.max_chars));
      return true;
    }));
  }
  if (!known) return bad_input(fmt::format("--task {}: run {} has no such task{}", options.task, *options.run, near_names(options.task, names_of(tasks))));
  if (options.common.json) fmt::print("{}\n", dump_json(all, 2));
  else fmt::print("{} samples shown{}\n", n, options.limit > 0 && n >= options.limit ? fmt::format(" (--limit {}; 0 shows all)", options.limit) : "");
  return kDone;
}

Result<int> show(const ShowArguments& options) {
  QEVAL_TRY(auto store, open_store(options.common.store, {.read_only = true, .create = false}));
  if (!options.run) return list_runs(options, *store);
  std::optional<FailureClass> cls;
  if (!options.failure_class.empty()) {
    cls = failure_class_from(options.failure_class);
    if (!cls) {
      std::string known;
      for (int i = 1; i <= kLastFailureClass; ++i)
        known += fmt::format("{}{}", i > 1 ? ", " : "", to_string(static_cast<FailureClass>(i)));
      return fail(ErrorKind::usage, fmt::format("--class {}: unknown; known: {}", options.failure_class, known));
    }
  }
  if (options.samples || cls || !options.task.empty() || !options.docs.empty()) return show_samples(options, *store, cls);
  QEVAL_TRY(RunOutcome outcome, load_outcome(*store, *options.run));
  RunView view = view_of(outcome.run, outcome.tasks);
  if (options.common.json) fmt::print("{}\n", dump_json(results_json(view), 2));
  else fmt::print("{}", results_table(view, {console().colours()}));
  return kDone;
}

}  // namespace

void add_show_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<ShowArguments>();
  CLI::App* sub = app.add_subcommand("show", "List runs; a run's results; or read its samples");
  sub->add_option("run", options->run, "Run number; none: list the runs");
  sub->add_option("--task", options->task, "Samples of this task or group");
  sub->add_option("--class", options->failure_class, "Samples of this failure class (truncated, no_answer, …)");
  sub->add_option("--doc", options->docs, "Samples of these doc ids");
  sub->add_flag("--samples", options->samples, "Samples of every task");
  sub->add_option("--limit", options->limit, "At most so many samples; 0 = all")->capture_default_str();
  sub->add_option("--max-chars", options->max_chars, "Shorten longer texts; 0 = whole")->capture_default_str();
  add_store_option(*sub, options->common);
  add_json_option(*sub, options->common);
  add_examples(*sub, "  qeval show\n  qeval show 3\n  qeval show 3 --task gsm8k --class wrong_format --limit 5");
  sub->callback([&command, options] { command.action = [options] { return show(*options); }; });
}

}  // namespace qeval
