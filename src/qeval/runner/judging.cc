#include "qeval/runner/judging.h"

#include <fmt/format.h>

#include "qeval/judge/apply.h"
#include "qeval/runner/summary.h"

namespace qeval {
namespace {

Result<RunOutcome> ask(Judge& judge, const std::string& task, std::vector<JudgeQuestion> questions, Json about) {
  about["prompts_sha256"] = judge.prompts.sha256();
  auto registry = single_task_registry(make_judge_task(task, std::move(questions), about));
  judge.plan.suite = "judge";
  judge.plan.arguments["judge"] = about;
  PlannedTask planned;
  planned.name = task;
  planned.overrides.apply_chat_template = true;
  judge.plan.tasks = {std::move(planned)};
  judge.services.tasks = registry.get();
  return execute_run(judge.plan, judge.services);
}

// The judged task's summary over all of its samples, with the judge's name on it.
Result<TaskSummary> put_summary(Judge& judge, RunId run, const TaskRegistry& registry, const AppliedRatings& applied) {
  Store& store = *judge.services.store;
  QEVAL_TRY(TaskSpec spec, registry.describe(applied.task));
  QEVAL_TRY(auto record, store.run(run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  for (TaskRecord& task : tasks) {
    if (task.task != applied.task) continue;
    TaskSummary old = task_summary_from_json(task.summary);
    SummaryInput input;
    input.row = old.row;
    input.num_fewshot = old.num_fewshot;
    input.chat_template = true;
    input.hf_id = json_string(record->spec, "hf_id");
    input.n_reused = old.n_reused;
    input.n_prompt_tokens = old.n_prompt_tokens;
    input.n_new_tokens = old.n_new_tokens;
    input.wall_s = old.wall_s;
    input.note = judge_text(applied.judge);
    TaskSummary summary = summarise_task(spec, input, applied.doc_ids, applied.scores, judge.services.published);
    summary.selfcheck = old.selfcheck;
    summary.judge = applied.judge;
    task.summary = to_json(summary);
    task.done = task.n_docs == static_cast<int64_t>(applied.doc_ids.size());
    QEVAL_CHECK(store.put_task(run, task));
    return summary;
  }
  return fail(ErrorKind::internal, fmt::format("run {} lost its task {}", run, applied.task));
}

}  // namespace

Result<RatingOutcome> rate_run(Judge judge, RunId run, const TaskRegistry& registry, size_t n_again) {
  Store& store = *judge.services.store;
  QEVAL_TRY(RunAnswers answers, read_answers(store, run));
  if (answers.questions.empty()) return bad_input(fmt::format("run {}: no question of {} is answered in full yet", run, answers.task));
  QEVAL_TRY(auto questions, rating_questions(answers, judge.prompts, n_again));
  RatingOutcome out;
  out.n_unanswered = answers.n_missing;
  QEVAL_TRY(out.judge_run, ask(judge, kRatingTask, std::move(questions), {{"judged_run", run}, {"task", answers.task}}));
  if (out.judge_run.interrupted) return out;
  QEVAL_TRY(out.ratings, collect_ratings(store, out.judge_run.run.id));
  QEVAL_TRY(JudgeIdentity identity, judge_identity(store, out.judge_run.run.id, run, judge.prompts.sha256()));
  QEVAL_CHECK(store.lease(run));
  auto applied = apply_ratings(store, run, answers.task, out.ratings, identity);
  auto summary = applied ? put_summary(judge, run, registry, *applied) : Result<TaskSummary>(fail(applied.error()));
  store.release(run);
  QEVAL_TRY(out.summary, std::move(summary));
  QEVAL_CHECK(store.flush());
  return out;
}

Result<PairOutcome> compare_runs_by_judge(Judge judge, RunId first, RunId second) {
  Store& store = *judge.services.store;
  QEVAL_TRY(RunAnswers a, read_answers(store, first));
  QEVAL_TRY(RunAnswers b, read_answers(store, second));
  QEVAL_TRY(PairQuestions pairs, pair_questions(a, b, judge.prompts));
  if (pairs.questions.empty()) return bad_input(fmt::format("runs {} and {} answered no question in common", first, second));
  PairOutcome out;
  out.n_unmatched = pairs.n_unmatched;
  QEVAL_TRY(out.judge_run, ask(judge, kPairTask, std::move(pairs.questions), {{"first_run", first}, {"second_run", second}}));
  QEVAL_TRY(out.result, collect_pairs(store, out.judge_run.run.id));
  QEVAL_TRY(out.judge, judge_identity(store, out.judge_run.run.id, first, judge.prompts.sha256()));
  Json kept = {{"first_run", first}, {"second_run", second}, {"judge", out.judge.model}, {"judge_run", out.judge.run}, {"result", to_json(out.result)}};
  QEVAL_CHECK(store.put_text(fmt::format("judge_pair:{}:{}:{}", first, second, out.judge.run), dump_json(kept)));
  QEVAL_CHECK(store.flush());
  return out;
}

Result<CheckOutcome> check_judge(Judge judge) {
  Store& store = *judge.services.store;
  QEVAL_TRY(auto pairs, shipped_planted_pairs());
  QEVAL_TRY(auto questions, planted_questions(pairs, judge.prompts));
  CheckOutcome out;
  QEVAL_TRY(out.judge_run, ask(judge, kCheckTask, std::move(questions), {{"planted_pairs", pairs.size()}}));
  QEVAL_TRY(out.check, collect_check(store, out.judge_run.run.id));
  if (!out.judge_run.interrupted && out.judge_run.n_infrastructure == 0)
    QEVAL_CHECK(store.put_text(check_text_name(out.judge_run.run.weights_key, judge.prompts.sha256()), out.check.text()));
  QEVAL_CHECK(store.flush());
  return out;
}

}  // namespace qeval
