#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/cli/dry_run.h"
#include "qeval/cli/plan_inputs.h"
#include "qeval/cli/run_options.h"
#include "qeval/cli/vary.h"
#include "qeval/os/signals.h"
#include "qeval/report/lm_eval_output.h"
#include "qeval/report/paired_report.h"
#include "qeval/report/results_table.h"
#include "qeval/report/tracker.h"
#include "qeval/runner/run.h"

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

// Where lines stay, one that only says that time went by is noise; a minute of decoding without a finished sample is not.
class ProgressTeller {
 public:
  void operator()(const RunProgress& p) {
    bool decoding = p.n_new_tokens + p.n_prompt_tokens != told_.n_new_tokens + told_.n_prompt_tokens;
    bool news = p.n_done != told_.n_done || p.n_failed != told_.n_failed || first_ ||
                (decoding && p.elapsed_s - told_.elapsed_s > kQuiet_s);
    if (!news && !console().live()) return;
    first_ = false;
    told_ = p;
    console().progress(progress_line(p));
  }

 private:
  static constexpr double kQuiet_s = 60;
  RunProgress told_;
  bool first_ = true;
};

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

// Files, tracker and the last words about one run. Returns its exit code.
int conclude(const RunOptions& options, const Store& store, const RunOutcome& outcome) {
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
  if (options.predict_only) console().note(fmt::format("answers are stored, not scored: `qeval rescore {}` scores them", outcome.run.id));
  if (outcome.n_infrastructure > 0) {
    console().note(fmt::format("{} samples failed for reasons that are not the model's; the same command tries them again", outcome.n_infrastructure));
    return kCheckFailed;
  }
  return tracker_ok ? kDone : kBadInput;
}

// What runs of one command share.
struct Workplace {
  const TaskRegistry* tasks = nullptr;
  OutsideTools* outside_tools = nullptr;
  std::unique_ptr<Store> store;
  std::vector<PublishedScore> published;
  Json environment;
  StopSignals stop;
};

struct Resolved {
  EnginePlan engine;
  RunPlan plan;
};

Result<Resolved> resolve(const RunOptions& options, const TaskRegistry& registry) {
  QEVAL_CHECK(check_run_options(options, registry));
  Resolved out;
  EngineRequest request = engine_request(options);
  request.stop = StopSignals::requested();
  {
    StopSignals stop;
    QEVAL_TRY(out.engine, plan_engine(request));
    if (stop.flag()->load()) return fail(ErrorKind::interrupted, "interrupted");
  }
  for (const std::string& note : out.engine.notes) console().note(note);
  if (!options.weights_id.empty() && out.engine.weights.verified)
    console().note("--weights-id: these weights are known by their SHA-256; the id is not used");
  QEVAL_TRY(out.plan, make_run_plan(options, out.engine, registry));
  return out;
}

Result<RunOutcome> run_one(const RunOptions& options, const Resolved& resolved, Workplace& place) {
  SandboxHolder sandbox(options.common.unsafe_code);
  RunServices services;
  services.tasks = place.tasks;
  services.store = place.store.get();
  services.load_engine = resolved.engine.load;
  services.sandbox = [&] { return sandbox.get(); };
  services.outside_tools = place.outside_tools;
  services.published = place.published;
  services.environment = place.environment;
  services.predict = run_prediction(resolved.engine, *place.store, options.model);
  services.stop = place.stop.flag();
  services.progress = ProgressTeller();
  services.note = [](const std::string& line) { console().note(line); };
  QEVAL_TRY(RunOutcome outcome, execute_run(resolved.plan, services));
  console().progress_done();
  return outcome;
}

Result<int> run_variants(const std::vector<Variant>& variants, const std::vector<Resolved>& resolved, Workplace& place) {
  const RunOptions& common = variants[0].options;
  int worst = kDone;
  std::vector<RunView> views;
  std::vector<std::string> labels;
  Json results = Json::array();
  for (size_t i = 0; i < variants.size(); ++i) {
    console().note(fmt::format("[{}/{}] {}", i + 1, variants.size(), variants[i].label));
    QEVAL_TRY(RunOutcome outcome, run_one(variants[i].options, resolved[i], place));
    if (!common.common.json) print_outcome(variants[i].options, outcome);
    std::fflush(stdout);
    int code = conclude(variants[i].options, *place.store, outcome);
    if (code == kInterrupted) return code;
    worst = std::max(worst, code);
    QEVAL_TRY(RunView view, load_view(*place.store, outcome.run.id));
    results.push_back(results_json(view));
    views.push_back(std::move(view));
    labels.push_back(variants[i].label);
  }
  std::vector<const RunView*> runs;
  for (const RunView& v : views) runs.push_back(&v);
  PairedReport report = compare_runs(runs, labels, {});
  if (common.common.json) fmt::print("{}\n", dump_json({{"runs", results}, {"comparison", paired_json(report)}}, 2));
  else fmt::print("{}", paired_text(report, console().colours()));
  return worst;
}

Result<int> run(const RunOptions& options) {
  // A tracker that cannot be written must be known before hours of work, not after.
  if (!options.no_tracker && !options.dry_run) {
    QEVAL_CHECK(check_tracker_writable(options.tracker));
  }
  QEVAL_TRY(auto variants, variants_of(options));
  const TaskSources sources = task_sources(options.common);
  QEVAL_TRY(auto registry, open_task_registry(sources));
  std::vector<Resolved> resolved;
  Json dry = Json::array();
  for (const Variant& variant : variants) {
    QEVAL_TRY(Resolved one, resolve(variant.options, *registry));
    if (options.dry_run) {
      QEVAL_TRY(Json plan, dry_run(one.plan, *registry, variant.options));
      if (one.engine.details.is_object()) plan["engine_details"] = one.engine.details;
      dry.push_back(std::move(plan));
    }
    resolved.push_back(std::move(one));
  }
  if (options.dry_run) {
    fmt::print("{}\n", dump_json(variants.size() == 1 ? dry[0] : dry, 2));
    return kDone;
  }
  Workplace place;
  place.tasks = registry.get();
  place.outside_tools = sources.outside_tools.get();
  QEVAL_TRY(place.store, open_store(options.common.store, {}));
  QEVAL_TRY(place.published, published_scores());
  place.environment = host_environment();
  if (variants.size() > 1) return run_variants(variants, resolved, place);
  QEVAL_TRY(RunOutcome outcome, run_one(options, resolved[0], place));
  print_outcome(options, outcome);
  std::fflush(stdout);  // notes follow on stderr and must not land inside the table
  return conclude(options, *place.store, outcome);
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
               "  qeval run --model ./model.gguf --suite tracker --dry-run\n"
               "  qeval run --model ./model.gguf --tasks gsm8k --limit 100 --vary temperature=0,0.7 --vary thinking=on,off");
  sub->callback([&command, options] { command.action = [options] { return run(*options); }; });
}

}  // namespace qeval
