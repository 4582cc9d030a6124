#pragma once

#include <string>
#include <vector>

#include "qeval/core/failure_class.h"
#include "qeval/util/result.h"

namespace qeval {

// An answer in another form than gold, with the verdict that the task's protocol demands.
struct SelfcheckVariant {
  std::string name;
  std::string text;                      // template over doc, target, references, gold_letter
  std::string filter;                    // which filter's class is meant, "" = every filter
  FailureClass expected = FailureClass::correct;
  bool length_cut = false;               // delivered as cut by the token limit
};

// How a task is proven; read from reference/selfcheck.yaml.
struct SelfcheckPlan {
  std::string task;
  std::string gold;                      // template of a right answer; "" for log-likelihood tasks
  std::string prompts;                   // expected fingerprint of the fixture's prompts
  bool empty_is_right = false;           // an empty answer is what is due (irrelevance)
  std::vector<std::string> unanswerable; // ids of docs that no answer can satisfy: faults of the data set, left out of gold
  bool gold_in_fixtures_only = false;    // the original's documents hold no right answer
  std::vector<std::string> gold_filters; // filters that gold must satisfy; empty = all
  std::vector<SelfcheckVariant> variants;
};

// Fixture files that stand for others: FOLDER/…/FROM_x.csv is also laid out as FOLDER/…/TO_x.csv.
struct FixtureCopies {
  std::string folder, from;
  std::vector<std::string> to;
};

struct SelfcheckPlans {
  std::vector<SelfcheckPlan> tasks;
  std::vector<FixtureCopies> copies;
};
Result<SelfcheckPlans> load_selfcheck_plans();

// Writes the shipped fixtures and their copies into `folder`, laid out as --data-dir.
Status write_fixtures(const SelfcheckPlans& plans, const std::string& folder);

}  // namespace qeval
