#include <fmt/format.h>

#include "qeval/monitor/monitor.h"
#include "qeval/monitor/server_metrics.h"
#include "qeval/monitor/usage.h"
#include "qeval/runner/run.h"
#include "qeval/runner/run_lease.h"
#include "qeval/runner/sample_flow.h"
#include "qeval/runner/summary.h"
#include "qeval/scorer/scorer.h"
#include "qeval/util/clock.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr int kRunKeyVersion = 1;

Json spec_json(const RunPlan& plan, const std::vector<std::unique_ptr<TaskState>>& tasks) {
  Json names = Json::array(), pending = Json::array(), groups = Json::array();
  for (const auto& t : tasks) names.push_back(t->task->spec().name);
  for (const PlannedTask& t : plan.tasks)
    if (!t.pending.empty()) pending.push_back({{"task", t.name}, {"row", t.row}, {"reason", t.pending}});
  for (const GroupSpec& g : plan.groups) groups.push_back(to_json(g));
  return {{"model", plan.model_asked}, {"hf_id", plan.hf_id}, {"weights", to_json(plan.weights)},
          {"engine", {{"name", plan.engine}, {"version", plan.engine_version}}}, {"preset", to_json(plan.preset)},
          {"suite", plan.suite}, {"tasks", names}, {"groups", groups}, {"pending", pending}, {"exact", plan.exact},
          {"engine_options", plan.engine_options}, {"arguments", plan.arguments}};
}

SummaryInput summary_input(const TaskState& t, const RunPlan& plan) {
  SummaryInput input;
  input.row = t.planned->row;
  input.num_fewshot = t.planned->overrides.num_fewshot.value_or(t.task->spec().num_fewshot);
  input.chat_template = t.planned->overrides.apply_chat_template || t.task->spec().always_chat;
  input.hf_id = plan.hf_id;
  input.sandbox_backend = t.scorer ? t.scorer->backend() : "";
  input.n_reused = t.n_reused;
  input.n_prompt_tokens = t.n_prompt_tokens;
  input.n_new_tokens = t.n_new_tokens;
  input.wall_s = t.first_s < 0 ? 0 : t.last_s - t.first_s;
  return input;
}

TaskRecord task_record(const TaskState& t) {
  const TaskSpec& spec = t.task->spec();
  TaskRecord record;
  record.task = spec.name;
  record.version = spec.version;
  record.config = spec.config;
  record.identity = t.task->identity();
  record.n_docs = static_cast<int64_t>(t.task->doc_ids().size());
  record.n_docs_total = t.task->n_docs_total();
  record.data_note = t.task->data_note();
  return record;
}

class Execution {
 public:
  Execution(const RunPlan& plan, const RunServices& services) : plan_(plan), services_(services) {}

  Result<RunOutcome> go() {
    QEVAL_CHECK(load_tasks());
    QEVAL_CHECK(begin());
    if (complete_ && !plan_.fresh) {
      QEVAL_TRY(RunOutcome outcome, load_outcome(*services_.store, run_.id));
      outcome.was_complete = true;
      return outcome;
    }
    QEVAL_TRY(RunLease lease, RunLease::take(*services_.store, run_.id));
    auto result = run_leased();
    if (!result) (void)services_.store->set_run_status(run_.id, RunStatus::failed, utc_now_ms(), run_.performance);
    return result;
  }

 private:
  Status load_tasks() {
    for (const PlannedTask& planned : plan_.tasks) {
      if (!planned.pending.empty()) continue;
      auto state = std::make_unique<TaskState>();
      state->planned = &planned;
      QEVAL_TRY(state->task, services_.tasks->load(planned.name, planned.overrides));
      tasks_.push_back(std::move(state));
    }
    return {};
  }

  Status begin() {
    std::vector<Json> identities;
    for (const auto& t : tasks_) identities.push_back(t->task->identity());
    RunRecord wanted;
    wanted.run_key = run_key(plan_, identities);
    wanted.model_id = plan_.model_asked;
    wanted.weights_key = weights_key(plan_);
    wanted.engine = plan_.engine;
    wanted.preset = plan_.preset.name;
    wanted.suite = plan_.suite;
    wanted.spec = spec_json(plan_, tasks_);
    wanted.environment = services_.environment;
    wanted.started_ms = utc_now_ms();
    QEVAL_TRY(run_, services_.store->begin_run(wanted, plan_.fresh));
    complete_ = run_.status == RunStatus::done;
    return {};
  }

  // Predictions alone need neither scorers nor the sandbox that some of them want.
  Status make_scorers() {
    if (plan_.predict_only) return {};
    for (auto& t : tasks_) {
      Sandbox* sandbox = nullptr;
      if (runs_code(t->task->spec())) {
        QEVAL_TRY(sandbox, services_.sandbox());
      }
      QEVAL_TRY(t->scorer, make_scorer(t->task->spec(), sandbox, services_.outside_tools));
    }
    return {};
  }

  // Scores of an earlier attempt count, except those that only an infrastructure failure produced. Its summary stays
  // until this one's replaces it: a kill in between loses neither.
  Status take_stored_scores() {
    QEVAL_TRY(auto earlier, services_.store->tasks(run_.id));
    for (auto& t : tasks_) {
      TaskRecord record = task_record(*t);
      for (TaskRecord& before : earlier)
        if (before.task == record.task) record.summary = std::move(before.summary);
      QEVAL_CHECK(services_.store->put_task(run_.id, record));
      QEVAL_TRY(auto stored, services_.store->current_scores(run_.id, t->task->spec().name));
      for (auto& [doc_id, scores] : stored) {
        bool usable = !scores.empty();
        for (const Score& s : scores) usable = usable && !is_infrastructure(s.failure_class);
        if (usable) t->keep(doc_id, std::move(scores));
      }
    }
    return {};
  }

  Result<RunOutcome> run_leased() {
    QEVAL_CHECK(make_scorers());
    QEVAL_CHECK(services_.store->set_run_status(run_.id, RunStatus::running, 0, run_.performance));
    QEVAL_CHECK(take_stored_scores());
    if (tasks_.empty()) return finish(false, RunPerformance{});  // all pending: no model is needed to say so
    QEVAL_TRY(std::unique_ptr<Engine> engine, services_.load_engine());
    QEVAL_CHECK(record_engine(*engine));
    Monitor monitor;
    monitor.watch_groups(engine->info().server_groups);
    ServerWatch server(engine->info().metrics_urls);
    auto measured_from = SteadyClock::now();
    monitor.start(std::chrono::milliseconds(500));
    server.start(std::chrono::milliseconds(1000));
    SampleFlow flow(plan_, services_, run_.id, tasks_, *engine);
    const double offset_s = seconds_since(measured_from);
    Status flowed = flow.run();
    server.stop();
    MonitorSummary usage = monitor.stop();
    QEVAL_TRY(auto series, services_.store->series(run_.id));
    QEVAL_CHECK(services_.store->put_series(run_.id, "monitor", appended_series(series["monitor"], usage.series)));
    Json server_series = server.series();
    if (server_series.is_object()) QEVAL_CHECK(services_.store->put_series(run_.id, "server", server_series));
    keep_windows(usage.series, server_series, offset_s);
    if (!flowed) {
      (void)services_.store->flush();
      return fail(flowed.error());
    }
    RunPerformance performance = flow.performance();
    performance.peak_rss_bytes = usage.peak_rss_bytes;
    performance.cpu_utilisation = usage.cpu_utilisation;
    performance.peak_device_bytes = usage.peak_device_bytes;
    performance.device_total_bytes = usage.device_total_bytes;
    performance.device_utilisation = usage.device_utilisation;
    performance.usage = usage_json(usage, performance.n_new_tokens);
    performance.server = server.summary();
    if (services_.predict && performance.n_responses > 0) performance.predicted = services_.predict(performance);
    return finish(flow.interrupted(), performance);
  }

  // Of each task the time in which its own answers came.
  void keep_windows(const Json& monitor, const Json& server, double offset_s) {
    for (auto& t : tasks_) {
      if (t->first_s < 0) continue;
      Json window = Json::object();
      if (Json part = series_window(monitor, t->first_s + offset_s, t->last_s + offset_s); part.is_object()) window["monitor"] = part;
      if (Json part = series_window(server, t->first_s + offset_s, t->last_s + offset_s); part.is_object()) window["server"] = part;
      if (!window.empty()) t->usage = std::move(window);
    }
  }

  Status record_engine(const Engine& engine) {
    const EngineInfo& info = engine.info();
    Json environment = services_.environment;
    environment["engine"] = {{"name", info.name}, {"version", info.version}, {"build", info.build},
                             {"device", info.device}, {"settings", info.settings}, {"notes", info.notes},
                             {"max_model_len", info.max_model_len}, {"max_concurrency", info.max_concurrency}};
    environment["weights"] = to_json(info.weights);
    if (!plan_.weights_id.empty()) environment["weights"]["declared_id"] = plan_.weights_id;
    for (const std::string& note : info.notes)
      if (services_.note) services_.note(note);
    return services_.store->set_environment(run_.id, environment);
  }

  Result<RunOutcome> finish(bool interrupted, const RunPerformance& performance) {
    RunOutcome outcome;
    outcome.interrupted = interrupted;
    for (auto& t : tasks_) {
      std::vector<int64_t> doc_ids;
      std::vector<std::vector<Score>> scores;
      for (int64_t id : t->task->doc_ids()) {
        auto it = t->scores.find(id);
        if (it == t->scores.end()) continue;
        doc_ids.push_back(id);
        scores.push_back(std::move(it->second));
      }
      TaskRecord record = task_record(*t);
      record.done = !interrupted && !plan_.predict_only;
      TaskSummary summary =
          summarise_task(t->task->spec(), summary_input(*t, plan_), doc_ids, scores, services_.published);
      summary.usage = t->usage;
      outcome.n_infrastructure += summary.n_infrastructure;
      record.summary = to_json(summary);
      QEVAL_CHECK(services_.store->put_task(run_.id, record));
      outcome.tasks.push_back(std::move(summary));
    }
    // A resumed run keeps the measurement that rests on more work.
    RunPerformance earlier = run_performance_from_json(run_.performance);
    outcome.performance = earlier.n_decoded_tokens > performance.n_decoded_tokens ? earlier : performance;
    RunStatus status = interrupted                     ? RunStatus::interrupted
                       : outcome.n_infrastructure > 0 ? RunStatus::failed
                                                       : RunStatus::done;
    QEVAL_CHECK(services_.store->set_run_status(run_.id, status, utc_now_ms(), to_json(outcome.performance)));
    QEVAL_CHECK(services_.store->flush());
    QEVAL_TRY(auto stored, services_.store->run(run_.id));
    if (stored) outcome.run = *stored;
    return outcome;
  }

  const RunPlan& plan_;
  const RunServices& services_;
  std::vector<std::unique_ptr<TaskState>> tasks_;
  RunRecord run_;
  bool complete_ = false;
};

}  // namespace

std::string weights_key(const RunPlan& plan) {
  if (plan.weights.verified) return plan.weights.sha256;
  return "declared:" + (plan.weights_id.empty() ? plan.weights.source : plan.weights_id);
}

std::string run_key(const RunPlan& plan, const std::vector<Json>& task_identities) {
  Json tasks = Json::array();
  for (const Json& identity : task_identities) tasks.push_back(identity);
  Json pending = Json::array();
  for (const PlannedTask& t : plan.tasks)
    if (!t.pending.empty()) pending.push_back(t.name);
  Json groups = Json::array();
  for (const GroupSpec& g : plan.groups) groups.push_back(to_json(g));
  Json key = {{"version", kRunKeyVersion}, {"model", plan.model_asked}, {"weights", plan.weights.identity()},
       {"engine", plan.engine}, {"engine_version", plan.engine_version}, {"engine_options", plan.engine_options},
       {"preset", to_json(plan.preset)}, {"suite", plan.suite}, {"tasks", std::move(tasks)},
       {"pending", std::move(pending)}, {"exact", plan.exact}, {"predict_only", plan.predict_only}};
  if (!groups.empty()) key["groups"] = std::move(groups);
  if (!plan.weights_id.empty()) key["weights_id"] = plan.weights_id;
  if (plan.max_in_flight > 0) key["max_in_flight"] = plan.max_in_flight;
  return sha256_hex(canonical_json(key));
}

Result<RunOutcome> execute_run(const RunPlan& plan, const RunServices& services) {
  return Execution(plan, services).go();
}

Result<RunOutcome> load_outcome(const Store& store, RunId run) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}", store.path(), run));
  RunOutcome outcome;
  outcome.run = *record;
  outcome.interrupted = record->status == RunStatus::interrupted;
  outcome.performance = run_performance_from_json(record->performance);
  QEVAL_TRY(auto tasks, store.tasks(run));
  for (const TaskRecord& task : tasks) {
    if (task.summary.is_null()) continue;
    outcome.tasks.push_back(task_summary_from_json(task.summary));
    outcome.n_infrastructure += outcome.tasks.back().n_infrastructure;
  }
  return outcome;
}

}  // namespace qeval
