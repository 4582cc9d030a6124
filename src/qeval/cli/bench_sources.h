#pragma once

#include <memory>
#include <string>

#include "qeval/cli/compose.h"
#include "qeval/load/workload.h"
#include "qeval/scorer/scorer.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"

namespace qeval {

// Questions of a generative task, asked as the model is deployed where `chat`. Error: unknown task, one that needs
// log-likelihoods.
struct TaskQuestions {
  std::unique_ptr<Task> task;
  std::vector<LoadItem> items;
};
Result<TaskQuestions> questions_of_task(const TaskRegistry& registry, const std::string& name, const Engine& engine, bool chat, int64_t limit);

// The generations of a stored run, in its order. Error: no such run, or none.
Result<std::vector<LoadItem>> questions_of_run(const Store& store, RunId run, int64_t limit);

// Mean of the task's primary metric over answers; no value where nothing could be scored.
class AnswerScores {
 public:
  AnswerScores(const TaskSpec& spec, std::unique_ptr<Scorer> scorer);
  ~AnswerScores();
  void add(const Sample& sample, const Response& response);
  std::optional<double> take();  // and begins anew

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qeval
