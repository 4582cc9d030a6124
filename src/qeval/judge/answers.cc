#include "qeval/judge/answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/scorer/judged.h"

namespace qeval {
namespace {

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.is_array() ? list : Json::array()) out.push_back(item.is_string() ? item.get<std::string>() : "");
  return out;
}

bool is_answered(const SampleRecord& sample) {
  return !sample.requests.empty() && std::all_of(sample.responses.begin(), sample.responses.end(), [](const Response& r) {
    return r.failure == EngineFailure::none && r.finish != FinishReason::failed && r.finish != FinishReason::cancelled;
  });
}

int n_repeats(const SampleRecord& sample) {
  int n = 0;
  for (const Request& r : sample.requests) n = std::max(n, r.repeat + 1);
  return n;
}

}  // namespace

bool is_judged_task(const TaskRecord& task) {
  if (!task.config.is_object() || !task.config.contains("metric_list") || !task.config["metric_list"].is_array()) return false;
  for (const Json& metric : task.config["metric_list"])
    if (json_string(metric, "metric") == "rating") return true;
  return false;
}

Result<RunAnswers> read_answers(const Store& store, RunId run) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}; `qeval show` lists them", store.path(), run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  auto found = std::find_if(tasks.begin(), tasks.end(), is_judged_task);
  if (found == tasks.end()) return bad_input(fmt::format("run {} has no answers that wait for a judge (task mt_bench)", run));
  RunAnswers out;
  out.task = found->task;
  ScoringSpec scoring;
  QEVAL_CHECK(store.for_each_sample(run, out.task, [&](SampleRecord&& stored) {
    Sample sample = sample_from_record(stored);
    AnsweredQuestion question;
    question.doc_id = stored.doc_id;
    question.doc = sample.doc;
    question.turns = texts(sample.doc.contains("turns") ? sample.doc["turns"] : Json());
    question.references = texts(sample.doc.contains("reference_answers") ? sample.doc["reference_answers"] : Json());
    for (int repeat = 0; repeat < n_repeats(stored); ++repeat) {
      question.repeat = repeat;
      question.answers = answers_by_turn(sample, stored.responses, repeat, scoring);
      if (is_answered(stored) && question.answers.size() == question.turns.size()) out.questions.push_back(question);
      else ++out.n_missing;
    }
    return true;
  }));
  return out;
}

}  // namespace qeval
