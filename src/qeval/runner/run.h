#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/group_spec.h"
#include "qeval/core/model_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/engine/engine.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"
#include "qeval/util/result.h"

namespace qeval {

struct PlannedTask {
  std::string name;
  TaskOverrides overrides;
  std::string row;        // tracker's dataset row, "" = the task's title
  std::string pending;    // not "": recorded as pending with this reason, nothing runs
};

// A run with everything resolved, before any model is loaded.
struct RunPlan {
  std::string model_asked;            // as typed
  std::string hf_id;                  // of the weights, "" = unknown
  WeightsIdentity weights;            // as far as known without loading
  std::string engine;
  std::string engine_version;         // known without loading, part of the run's key
  Preset preset;
  std::string suite;
  std::vector<PlannedTask> tasks;
  std::vector<GroupSpec> groups;      // whose scores are shown beside those of their tasks
  Json arguments;                     // as given, for the record
  Json engine_options;                // resolved options that can change a number
  int max_in_flight = 0;              // requests with the engine at a time; 0 = as many as it takes
  bool exact = false;
  bool fresh = false;                 // no reuse of anything stored
  bool predict_only = false;          // store responses, score nothing
  std::string weights_id;             // the user's own id of weights that cannot be verified; "" = none given
  bool reuse_across_runs = true;      // false where the weights are only declared and have no id
};
// The weights' name in the store: their hash, or "declared:" and what is declared.
std::string weights_key(const RunPlan& plan);

struct RunProgress {
  int64_t n_done = 0, n_total = 0;            // samples scored, of all
  int64_t n_reused = 0;                       // samples taken from the store
  int64_t n_failed = 0;                       // infrastructure
  int64_t n_requests_in_flight = 0;
  int64_t n_new_tokens = 0, n_prompt_tokens = 0;
  double elapsed_s = 0;
  std::string task;                           // the one that finished last
};

// What the outside gives to a run. All pointers outlive it.
struct RunServices {
  const TaskRegistry* tasks = nullptr;
  Store* store = nullptr;
  std::function<Result<std::unique_ptr<Engine>>()> load_engine;   // called only if something must be computed
  std::function<Result<Sandbox*>()> sandbox;                      // called only if a task runs code
  OutsideTools* outside_tools = nullptr;                          // the registry's, for tasks that need them
  std::vector<PublishedScore> published;
  Json environment;
  // The plan's figures for what was measured, null: none. Called once, after a run that decoded anything.
  std::function<Json(const RunPerformance&)> predict;
  const std::atomic<bool>* stop = nullptr;                        // true: finish cleanly, resumable
  std::function<void(const RunProgress&)> progress;               // from the runner's thread, a few times a second
  std::function<void(const std::string&)> note;                   // one line worth telling
};

struct RunOutcome {
  RunRecord run;
  std::vector<TaskSummary> tasks;
  RunPerformance performance;
  bool was_complete = false;      // nothing had to be done
  bool interrupted = false;
  int64_t n_infrastructure = 0;
};

// SHA-256 over everything that decides what the run is; equal plans find the same run.
std::string run_key(const RunPlan& plan, const std::vector<Json>& task_identities);

// Builds samples, takes from the store what is answered, asks the engine for the rest, scores as answers come, and
// stores each response before it counts. Blocking; one engine thread, a scorer pool, this thread in between.
// On interruption everything stored stays and the outcome says so. Errors: bad input, engine or store that cannot
// start, a second process on the same run (unavailable).
Result<RunOutcome> execute_run(const RunPlan& plan, const RunServices& services);

// The outcome of a finished or interrupted run, from the store alone.
Result<RunOutcome> load_outcome(const Store& store, RunId run);

}  // namespace qeval
