#include <fmt/format.h>

#include <cstdio>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/cli/run_options.h"
#include "qeval/os/signals.h"
#include "qeval/report/lm_eval_output.h"
#include "qeval/report/results_table.h"
#include "qeval/report/tracker.h"
#include "qeval/runner/run.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

std::string progress_line(const RunProgress& p) {
  std::string line = fmt::format("{}/{} samples", p.n_done, p.n_total);
  if (p.n_total > 0) line += fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(p.n_done) / static_cast<double>(p.n_total));
  if (p.n_reused > 0) line += fmt::format(", {} from the store", p.n_reused);
  if (p.n_failed > 0) line += fmt::format(", {} FAILED", p.n_failed);
  if (p.n_new_tokens > 0 && p.elapsed_s > 0) line += fmt::format(", {:.0f} tok/s", static_cast<double>(p.n_new_tokens) / p.elapsed_s);
  int64_t n_new = p.n_done - p.n_reused;
  if (n_new > 0 && p.n_done < p.n_total) {
    double left = p.elapsed_s / static_cast<double>(n_new) * static_cast<double>(p.n_total - p.n_done);
    line += fmt::format(", about {:.0f} s left", left);
  }
  return p.task.empty() ? line : fmt::format("{} · {}", line, p.task);
}

// What `--dry-run` shows: everything resolved, nothing loaded.
Result<int> dry_run(const RunPlan& plan, const TaskRegistry& registry, const RunOptions& options) {
  Json tasks = Json::array();
  int64_t n_docs = 0, n_bytes = 0, n_new = 0;
  for (const PlannedTask& t : plan.tasks) {
    if (!t.pending.empty()) {
      tasks.push_back({{"task", t.name}, {"pending", t.pending}});
      continue;
    }
    QEVAL_TRY(auto task, registry.load(t.name, t.overrides));
    int64_t bytes = 0, requests = 0, new_tokens = 0;
    for (size_t i = 0; i < task->doc_ids().size(); ++i) {
      QEVAL_TRY(Sample sample, task->build(i, [](const ChatPrompt& chat) -> Result<std::string> { return prompt_text(Prompt(chat)); }));
      for (const Request& r : sample.requests) {
        bytes += static_cast<int64_t>(prompt_text(r.prompt).size() + r.continuation.size());
        ++requests;
        if (r.kind == RequestKind::generate) new_tokens += r.max_new_tokens;
      }
    }
    tasks.push_back({{"task", t.name}, {"version", task->spec().version}, {"docs", task->doc_ids().size()},
                     {"num_fewshot", t.overrides.num_fewshot.value_or(task->spec().num_fewshot)},
                     {"chat_template", t.overrides.apply_chat_template}, {"requests", requests},
                     {"prompt_tokens_about", bytes / 4}, {"new_tokens_at_most", new_tokens}, {"data", task->data_note()}});
    n_docs += static_cast<int64_t>(task->doc_ids().size());
    n_bytes += bytes;
    n_new += new_tokens;
  }
  Json out = {{"model", plan.model_asked}, {"weights", to_json(plan.weights)}, {"engine", plan.engine},
              {"preset", to_json(plan.preset)}, {"tasks", tasks}, {"docs", n_docs}, {"prompt_tokens_about", n_bytes / 4},
              {"new_tokens_at_most", n_new}, {"expected_time", "unmeasured: no earlier run of these weights on this machine"},
              {"store", options.common.store}, {"tracker", options.tracker}};
  fmt::print("{}\n", dump_json(out, 2));
  return kDone;
}

Status write_outputs(const RunOptions& options, const Store& store, const RunOutcome& outcome) {
  if (!options.output_path.empty()) {
    QEVAL_TRY(auto files, write_lm_eval_output(store, outcome.run.id, options.output_path));
    for (const std::string& file : files) console().note("written: " + file);
  }
  return {};
}

void print_outcome(const RunOptions& options, const RunOutcome& outcome) {
  RunView view = view_of(outcome.run, outcome.tasks);
  if (options.common.json) {
    fmt::print("{}\n", dump_json(results_json(view), 2));
    return;
  }
  ResultsTableOptions table;
  table.colours = console().colours();
  fmt::print("{}", results_table(view, table));
}

int finish(const RunOptions& options, const Store& store, const RunOutcome& outcome) {
  console().progress_done();
  print_outcome(options, outcome);
  std::fflush(stdout);  // notes follow on stderr and must not land inside the table
  if (auto written = write_outputs(options, store, outcome); !written) {
    console().note(written.error().message);
    return exit_code(written.error());
  }
  bool tracker_ok = true;
  if (!options.no_tracker) {
    if (auto tracked = rewrite_tracker(store, options.tracker); tracked) {
      console().note(fmt::format("tracker: {}", options.tracker));
    } else {
      console().note(tracked.error().message);
      tracker_ok = false;
    }
  }
  if (outcome.interrupted) {
    console().note(fmt::format("interrupted: everything answered is stored in {}; the same command goes on from here", options.common.store));
    return kInterrupted;
  }
  if (outcome.was_complete) console().note(fmt::format("run {} was complete already: nothing was computed (--fresh computes it again)", outcome.run.id));
  if (outcome.n_infrastructure > 0) {
    console().note(fmt::format("{} samples failed for reasons that are not the model's; the same command tries them again", outcome.n_infrastructure));
    return kCheckFailed;
  }
  return tracker_ok ? kDone : kBadInput;
}

Result<int> run(const RunOptions& options) {
  // A tracker that cannot be written must be known before hours of work, not after.
  if (!options.no_tracker && !options.dry_run) {
    QEVAL_CHECK(check_tracker_writable(options.tracker));
  }
  QEVAL_TRY(auto registry, open_task_registry(task_sources(options.common)));
  QEVAL_TRY(EnginePlan engine, plan_engine(engine_request(options)));
  for (const std::string& note : engine.notes) console().note(note);
  QEVAL_TRY(RunPlan plan, make_run_plan(options, engine, *registry));
  if (options.dry_run) return dry_run(plan, *registry, options);
  QEVAL_TRY(auto store, open_store(options.common.store, {}));
  SandboxHolder sandbox(options.common.unsafe_code);
  StopSignals stop;
  RunServices services;
  services.tasks = registry.get();
  services.store = store.get();
  services.load_engine = engine.load;
  services.sandbox = [&] { return sandbox.get(); };
  QEVAL_TRY(services.published, published_scores());
  services.environment = host_environment();
  services.stop = stop.flag();
  services.progress = [](const RunProgress& p) { console().progress(progress_line(p)); };
  services.note = [](const std::string& line) { console().note(line); };
  QEVAL_TRY(RunOutcome outcome, execute_run(plan, services));
  return finish(options, *store, outcome);
}

}  // namespace

void add_run_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* sub = app.add_subcommand("run", "Evaluate a model: quality, speed and memory in one run");
  add_run_options(*sub, *options);
  add_examples(*sub,
               "  qeval run --model qwen2.5-0.5b-instruct --suite tracker --limit 100\n"
               "  qeval run --model hf:Qwen/Qwen2.5-7B-Instruct-GGUF:Q8_0 --tasks gsm8k --preset performance\n"
               "  qeval run --model ./model.gguf --tasks arc_challenge,hellaswag --limit 200 --output-path out\n"
               "  qeval run --model ./model.gguf --suite tracker --dry-run");
  sub->callback([&command, options] { command.action = [options] { return run(*options); }; });
}

}  // namespace qeval
