#include "qeval/runner/rescore.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/runner/run_lease.h"
#include "qeval/runner/summary.h"
#include "qeval/scorer/scorer.h"

namespace qeval {
namespace {

void note_changes(const std::string& task, int64_t doc_id, const std::vector<Score>& before,
                  const std::vector<Score>& after, std::vector<ScoreChange>& changes) {
  for (const Score& now : after) {
    auto was = std::find_if(before.begin(), before.end(), [&](const Score& s) { return s.filter == now.filter; });
    if (was == before.end()) continue;
    if (was->failure_class == now.failure_class && was->metrics == now.metrics) continue;
    changes.push_back({task, doc_id, now.filter, was->failure_class, now.failure_class, was->extracted, now.extracted});
  }
}

Status rescore_task(Store& store, const TaskRegistry& registry, const RunRecord& run, TaskRecord record,
                    const RescoreOptions& options, RescoreResult& result) {
  if (run.suite == "judge") {
    result.notes.push_back(record.task + ": a judge's own answers are read again by `qeval judge`");
    return {};
  }
  QEVAL_TRY(TaskSpec spec, registry.describe(record.task));
  spec.repeats = static_cast<int>(json_int(record.config, "repeats", spec.repeats));  // as asked
  if (TaskSummary rated = task_summary_from_json(record.summary); spec.scoring.scorer == "judge" && rated.judge.is_object()) {
    result.notes.push_back(fmt::format("{}: keeps the ratings of judge run {}; `qeval judge {}` rates again", record.task,
                                       json_int(rated.judge, "run"), run.id));
    return {};
  }
  if (spec.version != record.version)
    result.notes.push_back(fmt::format("{}: asked as version {}, scored as version {}", record.task, record.version, spec.version));
  if (const std::string missing = registry.pending(record.task); !missing.empty()) {
    result.notes.push_back(fmt::format("{}: keeps its scores: {}", record.task, missing));
    return {};
  }
  Sandbox* sandbox = nullptr;
  if (runs_code(spec)) {
    QEVAL_TRY(sandbox, options.sandbox());
  }
  QEVAL_TRY(auto scorer, make_scorer(spec, sandbox, options.outside_tools));
  std::vector<int64_t> doc_ids;
  std::vector<std::vector<Score>> all;
  Status put;
  QEVAL_CHECK(store.for_each_sample(run.id, record.task, [&](SampleRecord&& stored) {
    Sample sample = sample_from_record(stored);
    std::vector<Score> after = scorer->score(sample, stored.responses);
    note_changes(record.task, sample.doc_id, stored.scores, after, result.changes);
    put = store.put_scores(run.id, record.task, sample.doc_id, kScorerVersion, after, scorer->backend());
    doc_ids.push_back(sample.doc_id);
    all.push_back(std::move(after));
    if (options.progress) options.progress(record.task, static_cast<int64_t>(all.size()));
    return put.has_value();
  }));
  QEVAL_CHECK(put);
  TaskSummary old = task_summary_from_json(record.summary);
  SummaryInput input{old.row, old.num_fewshot, old.chat_template, json_string(run.spec, "hf_id"), scorer->backend(), "",
                     old.n_reused, old.n_prompt_tokens, old.n_new_tokens, old.wall_s};
  TaskSummary summary = summarise_task(spec, input, doc_ids, all, options.published);
  record.summary = to_json(summary);
  record.done = record.n_docs == static_cast<int64_t>(all.size());
  QEVAL_CHECK(store.put_task(run.id, record));
  result.n_samples += static_cast<int64_t>(all.size());
  result.tasks.push_back(std::move(summary));
  return {};
}

}  // namespace

Result<RescoreResult> rescore_run(Store& store, const TaskRegistry& registry, RunId run, const RescoreOptions& options) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}; `qeval show` lists them", store.path(), run));
  RescoreResult result;
  result.run = run;
  QEVAL_TRY(RunLease lease, RunLease::take(store, run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  for (TaskRecord& task : tasks) {
    if (!options.tasks.empty() && std::find(options.tasks.begin(), options.tasks.end(), task.task) == options.tasks.end())
      continue;
    QEVAL_CHECK(rescore_task(store, registry, *record, std::move(task), options, result));
  }
  QEVAL_CHECK(store.flush());
  return result;
}

}  // namespace qeval
