#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/runner/run.h"
#include "qeval/scorer/scorer.h"

namespace qeval {

// One task of a run while it runs. `scores` is written by scorer threads under `mutex`; the rest by the runner's thread.
struct TaskState {
  const PlannedTask* planned = nullptr;
  std::unique_ptr<Task> task;
  std::unique_ptr<Scorer> scorer;
  std::mutex mutex;
  std::map<int64_t, std::vector<Score>> scores;  // by doc id; texts are left out, the store has them
  void keep(int64_t doc_id, std::vector<Score> of_doc) {
    for (Score& score : of_doc) {
      std::string().swap(score.extracted);  // frees, which assigning "" does not
      std::string().swap(score.explanation);
    }
    scores[doc_id] = std::move(of_doc);
  }
  int64_t n_reused = 0;                          // samples whose responses all came from the store
  int64_t n_prompt_tokens = 0, n_new_tokens = 0;
  double first_s = -1, last_s = 0;               // of its own responses, since the run's start
  Json usage;                                    // what the monitor saw meanwhile
  bool done = false;
};

// A sample that waits for responses.
struct OpenSample {
  TaskState* task = nullptr;
  Sample sample;
  std::vector<Response> responses;
  std::vector<bool> answered;
  size_t n_missing = 0;
  bool all_reused = true;
  uint64_t conversation = 0;  // of repeat 0; 0 = the task has no second turn
  int turn = 0;               // 0-based, of the requests asked last
};

}  // namespace qeval
