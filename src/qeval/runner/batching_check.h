#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/engine/engine.h"

namespace qeval {

// What the company of other requests does to the numbers: the same requests one sequence a call, in full batches, and
// in full batches of another composition.
struct BatchingDoc {
  std::string task;
  Sample sample;
};
struct BatchingArm {
  std::string name;              // alone, batched, shuffled
  double seconds = 0;
  int64_t n_batches = 0, n_decoded_tokens = 0, n_failed = 0;
  double largest_nats = 0;       // difference of a log-likelihood from the one alone
  std::string largest_at;        // task, doc and request of it
  int64_t n_changed = 0;         // docs whose answer is another than alone: the most likely choice, or the text
};
struct BatchingChange {
  std::string arm, task;
  int64_t doc_id = 0;
  std::string alone, batched;    // the choice or text
  double margin_nats = 0;        // choices: by how much the first was ahead alone
};
struct BatchingReport {
  int64_t n_docs = 0, n_requests = 0;
  std::vector<BatchingArm> arms;
  std::vector<BatchingChange> changed;
};

// Blocking. `progress` gets the arm's name and the share of its requests that are answered. Error: the engine has no
// exact mode or cannot open a session.
Result<BatchingReport> check_batching(Engine& engine, const std::vector<BatchingDoc>& docs,
                                      const std::function<void(const std::string&, double)>& progress);

}  // namespace qeval
