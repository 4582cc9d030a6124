#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/cli/run_options.h"
#include "qeval/judge/fastchat.h"
#include "qeval/net/http_client.h"
#include "qeval/os/signals.h"
#include "qeval/report/format.h"
#include "qeval/report/results_table.h"
#include "qeval/runner/judging.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

struct JudgeArguments {
  RunOptions judge;                  // how the judge runs; its model comes from --judge
  std::optional<int64_t> run, against;
  std::string spec, answers, export_answers;
  bool check = false;
  size_t ask_twice = 20;
};

// [ENGINE:]MODEL[@URL]; with an address the engine is openai unless said.
Status read_spec(const std::string& spec, RunOptions& out) {
  if (spec.empty()) return {};
  std::string rest = spec;
  for (const char* engine : {"llama", "fake", "openai"}) {
    std::string prefix = std::string(engine) + ":";
    if (rest.rfind(prefix, 0) != 0) continue;
    out.engine = engine;
    rest.erase(0, prefix.size());
    break;
  }
  if (size_t at = rest.rfind("@http"); at != std::string::npos) {
    if (out.engine == "llama") out.engine = "openai";
    out.base_urls = {rest.substr(at + 1)};
    rest.erase(at);
  }
  if (out.engine == "openai" && out.base_urls.empty())
    return fail(ErrorKind::usage, fmt::format("--judge {}: a server needs its address: openai:MODEL@http://HOST:PORT", spec));
  if (out.engine == "fake") out.fake_script = rest;
  out.model = rest.empty() ? out.engine : rest;
  return {};
}

Result<Judge> make_judge(const JudgeArguments& options, const RunOptions& judge_options, Store& store, SandboxHolder& sandbox, const StopSignals& stop) {
  if (options.spec.empty())
    return fail(ErrorKind::usage, "--judge is missing: a GGUF file, a registry id, hf:ORG/REPO, or MODEL@http://HOST:PORT");
  QEVAL_TRY(EnginePlan engine, plan_engine(engine_request(judge_options)));
  for (const std::string& note : engine.notes) console().note(note);
  Judge judge;
  judge.plan.model_asked = judge_options.model;
  judge.plan.hf_id = engine.hf_id;
  judge.plan.weights = engine.weights;
  judge.plan.engine = engine.engine;
  judge.plan.engine_version = engine.engine_version;
  judge.plan.preset = engine.preset;
  judge.plan.engine_options = engine.options;
  judge.plan.reuse_across_runs = engine.weights.verified;
  judge.plan.fresh = judge_options.fresh;
  judge.plan.arguments = {{"model", judge_options.model}, {"engine", judge_options.engine}};
  for (const std::string& url : judge_options.base_urls) judge.plan.arguments["base_urls"].push_back(redacted_url(url));
  judge.services.store = &store;
  judge.services.load_engine = engine.load;
  judge.services.sandbox = [&sandbox] { return sandbox.get(); };
  QEVAL_TRY(judge.services.published, published_scores());
  judge.services.environment = host_environment();
  judge.services.stop = stop.flag();
  judge.services.progress = [](const RunProgress& p) {
    console().progress(fmt::format("judging: {}/{}{}", p.n_done, p.n_total, p.n_failed > 0 ? fmt::format(", {} FAILED", p.n_failed) : ""));
  };
  judge.services.note = [](const std::string& line) { console().note(line); };
  QEVAL_TRY(judge.prompts, JudgePrompts::shipped());
  return judge;
}

int code_of(const RunOutcome& judge_run, const JudgeArguments& options) {
  if (judge_run.interrupted) {
    console().note(fmt::format("interrupted: everything judged is stored in {}; the same command goes on from here", options.judge.common.store));
    return kInterrupted;
  }
  if (judge_run.n_infrastructure == 0) return kDone;
  console().note(fmt::format("{} questions to the judge failed for reasons that are not its own; the same command asks them again", judge_run.n_infrastructure));
  return kCheckFailed;
}

std::string category_table(const Json& judge) {
  Table table;
  table.headers = {"Category", "Rating", "n"};
  table.aligns = {Align::left, Align::right, Align::right};
  for (const auto& [category, value] : judge["categories"].items())
    table.rows.push_back({category, fmt::format("{:.2f}", json_number(value, "rating")), std::to_string(json_int(value, "n"))});
  return table.terminal();
}

Status update_tracker(const JudgeArguments& options, const Store& store) {
  if (options.judge.no_tracker) return {};
  QEVAL_CHECK(rewrite_tracker(store, options.judge.tracker));
  console().note("tracker: " + options.judge.tracker);
  return {};
}

Result<int> rate(const JudgeArguments& options, Judge judge, RunId run, Store& store) {
  QEVAL_TRY(auto registry, open_task_registry(task_sources(options.judge.common)));
  QEVAL_TRY(RatingOutcome outcome, rate_run(std::move(judge), run, *registry, options.ask_twice));
  console().progress_done();
  if (outcome.judge_run.interrupted) return code_of(outcome.judge_run, options);
  if (options.judge.common.json) {
    fmt::print("{}\n", dump_json({{"run", run}, {"judge_run", outcome.judge_run.run.id}, {"summary", to_json(outcome.summary)}, {"n_unanswered", outcome.n_unanswered}}, 2));
  } else {
    fmt::print("run {} rated by {}\n", run, judge_text(outcome.summary.judge));
    for (const MetricSummary& m : outcome.summary.metrics)
      fmt::print("  {}: {} {} (n = {})\n", m.metric, score_text(m), interval_text(m), m.n);
    fmt::print("{}", category_table(outcome.summary.judge));
    if (outcome.n_unanswered > 0) fmt::print("  {} questions are not answered in full and were not judged\n", outcome.n_unanswered);
  }
  std::fflush(stdout);
  QEVAL_CHECK(update_tracker(options, store));
  return code_of(outcome.judge_run, options);
}

Result<int> compare(const JudgeArguments& options, Judge judge, Store& store) {
  QEVAL_TRY(PairOutcome outcome, compare_runs_by_judge(std::move(judge), *options.run, *options.against));
  console().progress_done();
  const PairResult& r = outcome.result;
  if (options.judge.common.json) {
    fmt::print("{}\n", dump_json({{"first_run", *options.run}, {"second_run", *options.against}, {"judge_run", outcome.judge.run}, {"judge", outcome.judge.model},
                                  {"same_family", outcome.judge.same_family}, {"n_unmatched", outcome.n_unmatched}, {"result", to_json(r)}}, 2));
  } else {
    fmt::print("run {} against run {}, judged by {} in both orders (judge run {})\n", *options.run, *options.against, outcome.judge.model, outcome.judge.run);
    fmt::print("  wins {}, losses {}, ties {} of {}; win rate {} [{:.1f}, {:.1f}]\n", r.n_first, r.n_second, r.n_tie, r.n, percent(r.win_rate),
               100 * r.interval.low, 100 * r.interval.high);
    fmt::print("  the orders disagree in {} of {} (counted as ties), {} of them for the first position; {} comparisons without a verdict\n",
               r.n_disagree, r.n, r.n_first_position, r.n_unreadable);
    if (outcome.judge.same_family) fmt::print("  JUDGE AND JUDGED ARE OF THE SAME FAMILY\n");
    fmt::print("  {}\n", outcome.judge.check.empty() ? "judge not checked (qeval judge --check)" : "judge checked: " + outcome.judge.check);
    if (outcome.n_unmatched > 0) fmt::print("  {} questions were answered by one run only\n", outcome.n_unmatched);
  }
  std::fflush(stdout);
  QEVAL_CHECK(update_tracker(options, store));
  return code_of(outcome.judge_run, options);
}

std::string share_text(const Share& s) {
  if (s.n == 0) return "unmeasured";
  return fmt::format("{} [{:.0f}, {:.0f}], n = {}", percent(s.value(), 0), 100 * s.interval().low, 100 * s.interval().high, s.n);
}

Result<int> check(const JudgeArguments& options, Judge judge) {
  QEVAL_TRY(CheckOutcome outcome, check_judge(std::move(judge)));
  console().progress_done();
  const JudgeCheck& c = outcome.check;
  if (options.judge.common.json) {
    fmt::print("{}\n", dump_json({{"judge_run", outcome.judge_run.run.id}, {"check", to_json(c)}}, 2));
    return code_of(outcome.judge_run, options);
  }
  fmt::print("judge {} on planted pairs (judge run {})\n", options.judge.model, outcome.judge_run.run.id);
  fmt::print("  prefers the right answer     {}\n", share_text(c.right));
  fmt::print("    where it is the shorter    {}\n", share_text(c.right_when_shorter));
  fmt::print("    where it is the longer     {}\n", share_text(c.right_when_longer));
  fmt::print("  calls equal answers a tie    {}\n", share_text(c.tie_when_same));
  fmt::print("    else prefers the first     {} (50 % = no bias)\n", share_text(c.first_when_same));
  fmt::print("  both orders agree            {}\n", share_text(c.consistent));
  fmt::print("  without a readable verdict   {} of {}\n", c.n_unreadable, c.n_asked);
  if (c.right.n == 0 || c.right.interval().low <= 0.5)
    fmt::print("  NOT TO BE TRUSTED: it cannot be told from guessing\n");
  return code_of(outcome.judge_run, options);
}

Result<int> export_to(const JudgeArguments& options, const Store& store) {
  QEVAL_TRY(RunAnswers answers, read_answers(store, *options.run));
  QEVAL_TRY(auto run, store.run(*options.run));
  QEVAL_CHECK(write_file_atomic(options.export_answers, fastchat_answers(answers, run->model_id, run->ended_ms)));
  console().note(fmt::format("written: {} ({} answers{})", options.export_answers, answers.questions.size(),
                             answers.n_missing > 0 ? fmt::format(", {} are missing", answers.n_missing) : ""));
  return kDone;
}

Result<RunId> import_answers(const JudgeArguments& options, Store& store) {
  QEVAL_TRY(std::string text, read_file(options.answers));
  QEVAL_TRY(FastChatAnswers answers, parse_fastchat_answers(text, options.answers));
  QEVAL_TRY(auto registry, open_task_registry(task_sources(options.judge.common)));
  QEVAL_TRY(auto task, registry->load("mt_bench", TaskOverrides{}));
  QEVAL_TRY(RunId run, import_fastchat_answers(store, *task, answers, options.answers));
  console().note(fmt::format("{}: {} answers of {}, kept as run {}", options.answers, answers.by_question.size(), answers.model_id, run));
  return run;
}

Result<int> judge_command(JudgeArguments options) {
  if (options.run && !options.answers.empty()) return fail(ErrorKind::usage, "judge takes a run number or --answers FILE, not both");
  if (options.check && (options.run || !options.answers.empty())) return fail(ErrorKind::usage, "--check judges planted pairs; it takes no run");
  if (!options.check && !options.run && options.answers.empty()) return fail(ErrorKind::usage, "judge needs a run number (see `qeval show`), --answers FILE, or --check");
  QEVAL_CHECK(read_spec(options.spec, options.judge));
  bool creates = options.check || !options.answers.empty();
  QEVAL_TRY(auto store, open_store(options.judge.common.store, {.read_only = false, .create = creates}));
  if (!options.answers.empty()) {
    QEVAL_TRY(RunId run, import_answers(options, *store));
    options.run = run;
    if (options.spec.empty() && options.export_answers.empty()) return kDone;
  }
  if (!options.export_answers.empty()) return export_to(options, *store);
  SandboxHolder sandbox(false);
  StopSignals stop;
  QEVAL_TRY(Judge judge, make_judge(options, options.judge, *store, sandbox, stop));
  if (options.check) return check(options, std::move(judge));
  if (options.against) return compare(options, std::move(judge), *store);
  return rate(options, std::move(judge), *options.run, *store);
}

}  // namespace

void add_judge_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<JudgeArguments>();
  RunOptions& judge = options->judge;
  CLI::App* sub = app.add_subcommand("judge", "Have a model rate MT-Bench answers, compare two runs, or be checked itself");
  sub->add_option("run", options->run, "Run whose answers are judged (see `qeval show`)");
  sub->add_option("--judge", options->spec, "Who judges: [ENGINE:]MODEL[@URL], e.g. ./judge.gguf, hf:ORG/REPO:Q8_0, gpt-4o@https://api.openai.com (key from OPENAI_API_KEY)");
  sub->add_option("--against", options->against, "Compare with this run's answers instead, in both orders");
  sub->add_flag("--check", options->check, "Measure the judge on planted pairs: accuracy, biases of length and position");
  sub->add_option("--answers", options->answers, "FastChat answer file of another model, judged as if it had run here");
  sub->add_option("--export-answers", options->export_answers, "Write the run's answers as a FastChat answer file");
  sub->add_option("--ask-twice", options->ask_twice, "Ratings asked twice, for the judge's agreement with itself")->capture_default_str();
  sub->add_option("--preset", judge.preset, "Serving preset of the judge")->capture_default_str();
  sub->add_option("--set", judge.set, "Change a setting of the preset: KEY=VALUE");
  sub->add_option("--threads", judge.n_threads, "CPU threads of the judge (default: physical cores)");
  sub->add_flag("--fresh", judge.fresh, "Ask the judge everything again");
  sub->add_option("--tracker", judge.tracker, "Tracker document to rewrite")->capture_default_str();
  sub->add_flag("--no-tracker", judge.no_tracker, "Leave the tracker alone");
  add_store_option(*sub, judge.common);
  add_task_source_options(*sub, judge.common);
  add_json_option(*sub, judge.common);
  add_examples(*sub,
               "  qeval judge --check --judge ./judge.gguf\n"
               "  qeval judge 3 --judge ./judge.gguf\n"
               "  qeval judge 3 --judge gpt-4o@https://api.openai.com\n"
               "  qeval judge 3 --against 5 --judge ./judge.gguf\n"
               "  qeval judge --answers gpt-4.jsonl --judge ./judge.gguf\n"
               "  qeval judge 3 --export-answers mine.jsonl");
  sub->callback([&command, options] { command.action = [options] { return judge_command(*options); }; });
}

}  // namespace qeval
