#include "qeval/judge/apply.h"

#include <fmt/format.h>

#include "qeval/core/model_spec.h"
#include "qeval/scorer/scorer.h"

namespace qeval {
namespace {

struct Weights {
  std::string hf_id, name, architecture, quantization;
  std::string label(const std::string& asked) const {
    std::string out = !hf_id.empty() ? hf_id : !name.empty() ? name : asked;
    return quantization.empty() ? out : out + " " + quantization;
  }
};

Weights weights_of(const RunRecord& run) {
  Json loaded = json_object(run.environment, "weights");
  WeightsIdentity identity = weights_from_json(loaded.empty() ? json_object(run.spec, "weights") : loaded);
  std::string hf_id = json_string(run.spec, "hf_id");
  return {hf_id.empty() ? identity.hf_id : hf_id, identity.name, identity.architecture, identity.quantization};
}

Result<RunRecord> run_of(const Store& store, RunId id) {
  QEVAL_TRY(auto run, store.run(id));
  if (!run) return bad_input(fmt::format("{}: there is no run {}", store.path(), id));
  return *run;
}

// The model's own name where nothing is known of its weights (a server, an imported file).
std::string family_of(const RunRecord& run, const Weights& w) {
  std::string family = model_family(w.hf_id, w.name, "");
  if (family.empty()) family = model_family(run.model_id, "", w.architecture);
  return family;
}

}  // namespace

std::string check_text_name(const std::string& weights_key, const std::string& prompts_sha256) {
  return fmt::format("judge_check:{}:{}", weights_key, prompts_sha256.substr(0, 16));
}

Result<JudgeIdentity> judge_identity(const Store& store, RunId judge_run, RunId judged_run, const std::string& prompts_sha256) {
  QEVAL_TRY(RunRecord judge, run_of(store, judge_run));
  QEVAL_TRY(RunRecord judged, run_of(store, judged_run));
  Weights judge_weights = weights_of(judge), judged_weights = weights_of(judged);
  JudgeIdentity out;
  out.model = judge_weights.label(judge.model_id);
  out.weights_key = judge.weights_key;
  Json engine = json_object(judge.environment, "engine");
  out.engine = judge.engine;
  if (std::string version = json_string(engine, "version"); !version.empty()) out.engine += " " + version;
  out.prompts_sha256 = prompts_sha256;
  out.run = judge_run;
  std::string family = family_of(judge, judge_weights);
  out.same_family = (!family.empty() && family == family_of(judged, judged_weights)) || judge.weights_key == judged.weights_key;
  QEVAL_TRY(auto check, store.text(check_text_name(judge.weights_key, prompts_sha256)));
  out.check = check.value_or("");
  return out;
}

Result<AppliedRatings> apply_ratings(Store& store, RunId judged_run, const std::string& task, const Ratings& ratings,
                                     const JudgeIdentity& judge) {
  AppliedRatings out;
  out.task = task;
  out.judge = judge_json(ratings, judge);
  Status put;
  QEVAL_CHECK(store.for_each_sample(judged_run, task, [&](SampleRecord&& sample) {
    std::vector<Score> scores = std::move(sample.scores);
    auto rated = ratings.questions.find(sample.doc_id);
    if (rated != ratings.questions.end()) {
      if (scores.empty()) scores.emplace_back().failure_class = FailureClass::not_judged;
      for (Score& score : scores) score = rated_score(rated->second, score, judge);
      put = store.put_scores(judged_run, task, sample.doc_id, kScorerVersion, scores, "");
    }
    out.doc_ids.push_back(sample.doc_id);
    out.scores.push_back(std::move(scores));
    return put.has_value();
  }));
  QEVAL_CHECK(put);
  return out;
}

}  // namespace qeval
