#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <deque>

#include "qeval/cli/bench_sources.h"
#include "qeval/cli/bench_table.h"
#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/engine/openai/openai_engine.h"
#include "qeval/load/answer_keeper.h"
#include "qeval/load/hygiene.h"
#include "qeval/load/search.h"
#include "qeval/os/signals.h"
#include "qeval/util/clock.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

struct BenchOptions {
  CommonOptions common;
  EngineRequest engine;
  std::string preset = "balanced", concurrency, rate, target, prompt_tokens = "256", output_tokens, tasks;
  int64_t replay = 0, n_requests = 0, limit = 0;
  double burstiness = 1, shared_prefix = 0, duration_s = 30, saturated_s = 10;
  int n_warm_up = -1;
  uint64_t seed = 1;
  bool markdown = false, respect_eos = false;
};

Result<std::vector<double>> numbers(const std::string& option, const std::string& text, double least) {
  std::vector<double> out;
  for (const std::string& item : split_commas(text)) {
    char* end = nullptr;
    const double value = std::strtod(item.c_str(), &end);
    if (*end || !(value >= least) || value > 1e6) return fail(ErrorKind::usage, fmt::format("{} {}: a list of positive numbers was expected, such as 1,4,16", option, text));
    out.push_back(value);
  }
  return out;
}

class Bench {
 public:
  explicit Bench(const BenchOptions& options) : o_(options) {}

  Result<int> go() {
    QEVAL_CHECK(read_options());
    QEVAL_TRY(store_, open_store(o_.common.store, {}));
    QEVAL_TRY(plan_, plan_engine(request_));
    for (const std::string& note : plan_.notes) console().note(note);
    QEVAL_TRY(engine_, plan_.load());
    for (const std::string& note : engine_->info().notes) console().note(note);
    QEVAL_CHECK(make_workload());
    QEVAL_CHECK(begin_run());
    Status measured = targets_.empty() || !rates_.empty() || !concurrencies_.empty() ? all_levels() : search();
    console().progress_done();
    const RunStatus status = stop_.flag()->load() ? RunStatus::interrupted : measured ? RunStatus::done : RunStatus::failed;
    QEVAL_CHECK(store_->set_run_status(run_.id, status, utc_now_ms(), Json()));
    QEVAL_CHECK(store_->flush());
    if (!levels_.empty()) print();
    if (!measured) return fail(measured.error());
    if (stop_.flag()->load()) return kInterrupted;
    return std::any_of(levels_.begin(), levels_.end(), [](const LevelResult& r) { return r.n_failed > 0; }) ? kCheckFailed : kDone;
  }

 private:
  Status read_options() {
    QEVAL_TRY(auto concurrencies, numbers("--concurrency", o_.concurrency, 1));
    for (double n : concurrencies) concurrencies_.push_back(static_cast<int>(n));
    QEVAL_TRY(rates_, numbers("--rate", o_.rate, 1e-3));
    QEVAL_TRY(targets_, parse_targets(o_.target));
    if (!concurrencies_.empty() && !rates_.empty()) return fail(ErrorKind::usage, "--concurrency is a closed loop, --rate an open one: give one of them");
    if (concurrencies_.empty() && rates_.empty() && targets_.empty()) concurrencies_ = {1, 4, 16};
    if (!o_.tasks.empty() && o_.replay > 0) return fail(ErrorKind::usage, "--tasks and --replay both say where the questions come from: give one of them");
    request_ = o_.engine;
    request_.preset.name = o_.preset;
    request_.adaptive = false;
    request_.stop = stop_.flag();
    request_.ignore_eos = !o_.respect_eos && o_.tasks.empty();
    if (request_.engine == "openai") request_.settings.push_back(fmt::format("max_num_seqs={}", kMostInFlight));
    return {};
  }

  Status make_workload() {
    std::optional<LengthSpec> output;
    if (!o_.output_tokens.empty()) {
      QEVAL_TRY(output, parse_length("--output-tokens", o_.output_tokens));
    }
    if (!o_.tasks.empty()) return workload_of_task(output);
    if (o_.replay > 0) {
      QEVAL_TRY(auto items, questions_of_run(*store_, o_.replay, o_.limit));
      std::string text = fmt::format("{} questions of run {}", items.size(), o_.replay);
      workload_ = given_workload(std::move(items), std::move(text), output, o_.seed);
      return {};
    }
    MadeUpOptions made_up;
    QEVAL_TRY(made_up.prompt, parse_length("--prompt-tokens", o_.prompt_tokens));
    made_up.output = output.value_or(LengthSpec{LengthSpec::Kind::fixed, 128, 0});
    made_up.shared_prefix = o_.shared_prefix;
    made_up.seed = o_.seed;
    made_up.words_per_token = measure_words_per_token(*engine_);
    workload_ = made_up_workload(made_up);
    return {};
  }

  Status workload_of_task(const std::optional<LengthSpec>& output) {
    QEVAL_TRY(auto registry, open_task_registry(task_sources(o_.common)));
    QEVAL_TRY(TaskQuestions questions, questions_of_task(*registry, o_.tasks, *engine_, plan_.is_instruct, o_.limit));
    const TaskSpec& spec = questions.task->spec();
    Sandbox* sandbox = nullptr;
    if (!spec.scoring.scorer.empty()) {
      QEVAL_TRY(sandbox, sandbox_.get());
    }
    QEVAL_TRY(auto scorer, make_scorer(spec, sandbox));
    scores_ = std::make_unique<AnswerScores>(spec, std::move(scorer));
    std::string text = fmt::format("{} questions of {}", questions.items.size(), o_.tasks);
    workload_ = given_workload(std::move(questions.items), std::move(text), output, o_.seed);
    return {};
  }

  Status begin_run() {
    RunRecord wanted;
    wanted.model_id = o_.engine.model;
    wanted.weights_key = plan_.weights.verified ? plan_.weights.sha256 : "declared:" + plan_.weights.source;
    wanted.engine = plan_.engine;
    wanted.preset = plan_.preset.name;
    wanted.suite = "bench";
    wanted.started_ms = utc_now_ms();
    wanted.spec = {{"model", o_.engine.model}, {"weights", to_json(plan_.weights)}, {"engine", {{"name", plan_.engine}, {"version", plan_.engine_version}}},
                   {"preset", to_json(plan_.preset)}, {"suite", "bench"}, {"workload", workload_->text()}, {"seed", o_.seed}};
    wanted.environment = host_environment();
    wanted.environment["engine"] = {{"name", engine_->info().name}, {"version", engine_->info().version}, {"settings", engine_->info().settings}};
    wanted.run_key = sha256_hex(fmt::format("bench:{}:{}", wanted.started_ms, dump_json(wanted.spec)));
    QEVAL_TRY(run_, store_->begin_run(wanted, true));
    return {};
  }

  std::optional<ServerCounters> counters() const {
    const auto& urls = engine_->info().metrics_urls;
    return urls.empty() ? std::nullopt : read_server_counters(urls, api_key_from_environment());
  }

  LevelPlan level_plan(int concurrency, double rate) {
    LevelPlan plan;
    plan.index = static_cast<int>(levels_.size());
    plan.concurrency = concurrency;
    plan.rate = rate;
    plan.burstiness = o_.burstiness;
    plan.duration_s = o_.duration_s;
    plan.n_requests = o_.n_requests;
    plan.n_warm_up = o_.n_warm_up >= 0 ? o_.n_warm_up : std::clamp(concurrency, 2, 16);
    plan.saturated_s = o_.saturated_s;
    plan.seed = o_.seed;
    plan.targets = targets_;
    if (plan.n_requests == 0 && rate > 0) plan.n_requests = std::max<int64_t>(1, static_cast<int64_t>(rate * o_.duration_s));
    return plan;
  }

  Status level(int concurrency, double rate) {
    const LevelPlan plan = level_plan(concurrency, rate);
    HygieneInput hygiene;
    hygiene.shares_prefixes = o_.shared_prefix > 0 || !o_.tasks.empty() || o_.replay > 0;
    hygiene.in_process = plan_.engine == "llama" || plan_.engine == "fake";
    hygiene.before = read_host(0.5);
    hygiene.counters_before = counters();
    const std::string task = fmt::format("bench level {} ({})", plan.index + 1, plan.label());
    TaskRecord record;
    record.task = task;
    QEVAL_CHECK(store_->put_task(run_.id, record));
    std::deque<std::pair<std::shared_ptr<const Sample>, Response>> to_score;
    AnswerKeeper keeper(*store_, run_.id, task, fmt::format("{}:{}", run_.run_key, plan.index));
    auto kept = [&](int64_t index, const LoadItem& item, const Response& response) {
      if (scores_ && item.sample && response.failure == EngineFailure::none) to_score.emplace_back(item.sample, response);
      return keeper.put(index, item, response);
    };
    auto progress = [&](const LevelResult& r) {
      console().progress(fmt::format("{}: {} sent, {} answered, {} failed, {:.1f} new tok/s", plan.label(), r.n_sent, r.n_good, r.n_failed, r.new_tokens_per_s()));
    };
    QEVAL_TRY(LevelResult result, run_level(*engine_, *workload_, plan, kept, stop_.flag(), progress));
    QEVAL_CHECK(keeper.finish());
    hygiene.counters_after = counters();
    hygiene.after = read_host(0);
    judge_hygiene(result, hygiene);
    for (auto& [sample, response] : to_score) scores_->add(*sample, response);
    if (scores_) result.score = scores_->take();
    record.config = to_json(result);
    record.done = result.ended_early.empty();
    record.n_docs = record.n_docs_total = result.n_sent;
    QEVAL_CHECK(store_->put_task(run_.id, record));
    levels_.push_back(std::move(result));
    return {};
  }

  Status all_levels() {
    for (int n : concurrencies_)
      if (!stop_.flag()->load()) QEVAL_CHECK(level(n, 0));
    for (double rate : rates_) {
      if (stop_.flag()->load()) break;
      QEVAL_CHECK(level(0, rate));
      // More load cannot help a server that this much has filled.
      if (levels_.back().ended_early.rfind("over-saturated", 0) == 0) break;
    }
    return {};
  }

  Status search() {
    // One question at a time tells where to begin.
    QEVAL_CHECK(level(1, 0));
    RateSearch search;
    search.first = std::max(0.1, levels_.back().requests_per_s());
    auto meets = [&](double rate) -> Result<bool> {
      if (stop_.flag()->load()) return fail(ErrorKind::interrupted, "interrupted");
      QEVAL_CHECK(level(0, rate));
      return levels_.back().meets_targets();
    };
    QEVAL_TRY(found_, find_highest_rate(search, meets));
    return {};
  }

  void print() const {
    if (o_.common.json) {
      Json levels = Json::array();
      for (const LevelResult& r : levels_) levels.push_back(to_json(r));
      Json out = {{"run", run_.id}, {"model", o_.engine.model}, {"engine", plan_.engine}, {"engine_version", plan_.engine_version},
                  {"preset", plan_.preset.name}, {"workload", workload_->text()}, {"levels", levels}};
      if (found_) out["highest_rate"] = {{"met", found_->best}, {"missed", found_->failed}, {"trials", found_->n_trials}};
      fmt::print("{}\n", dump_json(out, 2));
      return;
    }
    fmt::print("run {} · {} · engine {} · {}\n", run_.id, o_.engine.model, plan_.engine_version.empty() ? plan_.engine : plan_.engine + " " + plan_.engine_version, workload_->text());
    fmt::print("{}", bench_table(levels_, o_.markdown ? BenchFormat::markdown : BenchFormat::terminal));
    if (!found_) return;
    if (found_->best > 0) fmt::print("highest rate that meets {}: {:.3g}/s ({})\n", o_.target, found_->best, found_->failed > 0 ? fmt::format("{:.3g}/s does not", found_->failed) : "none tried failed");
    else fmt::print("no rate down to {:.3g}/s meets {}\n", found_->failed, o_.target);
  }

  const BenchOptions& o_;
  EngineRequest request_;
  std::vector<int> concurrencies_;
  std::vector<double> rates_;
  std::vector<Target> targets_;
  SandboxHolder sandbox_{false};
  std::unique_ptr<Store> store_;
  EnginePlan plan_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<AnswerScores> scores_;
  RunRecord run_;
  StopSignals stop_;
  std::vector<LevelResult> levels_;
  std::optional<RateFound> found_;
};

void add_options(CLI::App& app, BenchOptions& o) {
  app.add_option("--model", o.engine.model, "As for `qeval run`")->required();
  app.add_option("--engine", o.engine.engine, "llama (embedded), vllm (started here for the time of the bench), openai (a server that is running), or fake")->capture_default_str()->check(CLI::IsMember({"llama", "vllm", "openai", "fake"}));
  app.add_option("--base-url", o.engine.base_urls, "Engine openai: address of a server; several share the load");
  app.add_option("--vllm", o.engine.vllm, "Engine vllm: the program, or its virtual environment's folder (default: vllm in PATH)");
  app.add_option("--preset", o.preset, "Serving preset")->capture_default_str();
  app.add_option("--set", o.engine.settings, "Change a setting of the preset: KEY=VALUE");
  app.add_option("--threads", o.engine.n_threads, "Engine llama: CPU threads");
  app.add_option("--fake-script", o.engine.fake_script, "Engine fake: JSON file {\"answers\": [{\"contains\": \"part of a prompt\", \"text\": \"answer\"}]}");
  app.add_option("--concurrency", o.concurrency, "Closed loop: so many questions at once, a list of levels (default 1,4,16)");
  app.add_option("--rate", o.rate, "Open loop: arrivals a second, a list of levels");
  app.add_option("--burstiness", o.burstiness, "Open loop: 1 = Poisson arrivals, less = bursts, more = evener")->capture_default_str()->check(CLI::Range(0.01, 1000.0));
  app.add_option("--target", o.target, "ttft_p95<500ms,itl_p99<50ms,e2e_p95<2s: judged at each level; without --rate and --concurrency the highest rate that meets them is searched");
  app.add_option("--prompt-tokens", o.prompt_tokens, "256, 128-512, normal:MEAN,SD or lognormal:MEDIAN,SIGMA")->capture_default_str();
  app.add_option("--output-tokens", o.output_tokens, "As --prompt-tokens (default 128; with --tasks or --replay: each question's own limit)");
  app.add_option("--shared-prefix", o.shared_prefix, "Share of each prompt that all of a level have in common, 0 to 1")->capture_default_str()->check(CLI::Range(0.0, 1.0));
  app.add_option("--tasks", o.tasks, "Questions of this task, whose answers are scored at every level");
  app.add_option("--replay", o.replay, "Questions of this stored run")->check(CLI::PositiveNumber);
  app.add_option("--limit", o.limit, "First N questions of the task or run")->check(CLI::PositiveNumber);
  app.add_option("--duration", o.duration_s, "Seconds of sending at each level")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--requests", o.n_requests, "Questions at each level, in place of --duration")->check(CLI::PositiveNumber);
  app.add_option("--warm-up", o.n_warm_up, "Questions before each level that do not count (default: as many as the level has at once, 2 to 16)")->check(CLI::NonNegativeNumber);
  app.add_option("--saturated", o.saturated_s, "Open loop: a level ends when more questions are in flight than arrive in this many seconds")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_flag("--respect-eos", o.respect_eos, "Let the model end its answers (default: made-up and replayed questions are answered to their full length where the server can)");
  app.add_option("--seed", o.seed, "Of prompts, lengths and arrivals")->capture_default_str();
  app.add_flag("--markdown", o.markdown, "Print a Markdown table");
  add_store_option(app, o.common);
  add_task_source_options(app, o.common);
  add_json_option(app, o.common);
}

}  // namespace

void add_bench_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* sub = app.add_subcommand("bench", "Measure an engine under load: throughput, latencies, the highest rate within targets");
  add_options(*sub, *options);
  add_examples(*sub,
               "  qeval bench --engine openai --base-url http://127.0.0.1:8000 --model qwen2.5-7b-instruct --concurrency 1,8,64\n"
               "  qeval bench --engine openai --base-url http://127.0.0.1:8000 --model qwen2.5-7b-instruct --rate 1,2,4 --prompt-tokens 512-2048\n"
               "  qeval bench --engine openai --base-url http://127.0.0.1:8000 --model qwen2.5-7b-instruct --target 'ttft_p95<500ms,itl_p99<50ms'\n"
               "  qeval bench --engine vllm --model qwen2.5-7b-instruct --preset performance --concurrency 1,32,128\n"
               "  qeval bench --model ./model.gguf --tasks gsm8k_cot_zeroshot --limit 50 --concurrency 1,16");
  sub->callback([&command, options] { command.action = [options] { return Bench(*options).go(); }; });
}

}  // namespace qeval
