#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qeval/sandbox/sandbox.h"
#include "qeval/task/task.h"

namespace qeval {

// One thing that was checked about one task, and what came of it.
struct SelfcheckItem {
  std::string task;
  std::string data;       // "fixture" or the data note of the real data
  std::string check;      // gold, empty, gold-highest, gold-lowest, constant, shuffled, prompts, variant:NAME; of
                          // judged tasks: turns, judge-asked, gold, judge-empty, empty; calls: where a benchmark's own
                          // tools are missing
  bool passed = false;
  std::string expected, found;
  std::string not_checked;  // why it could not be checked here: then it has neither passed nor failed
  static constexpr size_t kMaxDocs = 5;
  std::vector<int64_t> doc_ids;  // the first docs that went wrong, at most kMaxDocs
  int64_t n = 0;

  void name_doc(int64_t doc_id) {
    if (doc_ids.size() < kMaxDocs) doc_ids.push_back(doc_id);
  }
};

struct SelfcheckOptions {
  std::vector<std::string> include_paths;   // tasks to check in place of the shipped ones
  std::string data_dir, cache_dir;          // real data, where in reach
  int64_t limit = 0;                        // docs of real data per task, 0 = all
  bool fixtures_only = false;
  std::function<Result<Sandbox*>()> sandbox;
  std::shared_ptr<OutsideTools> outside_tools;  // for tasks whose calls a benchmark's own code carries out
  std::function<void(const SelfcheckItem&)> progress;
};

// Replays planted answers through the real pipeline: task building, stop strings, filters, sandbox, scorer, statistics.
// On hand-written fixtures in the original's layout always, on the real data where it is in reach. A failed check is an
// item, not an error; errors are unusable tasks and sandboxes.
class Selfcheck {
 public:
  virtual ~Selfcheck() = default;
  // Tasks that a name stands for (a task, group, tag or pattern); "" = every built-in task.
  virtual Result<std::vector<std::string>> expand(const std::string& name) const = 0;
  // A task without planted answers in reference/selfcheck.yaml has failed.
  virtual Result<std::vector<SelfcheckItem>> check(const std::string& task) const = 0;
};
// Reads the plans and lays out the fixtures, once for all tasks; they go with the object.
Result<std::unique_ptr<Selfcheck>> open_selfcheck(SelfcheckOptions options);

// SHA-256 of the first docs' prompts, targets and choices: what a changed delimiter, template or few-shot choice moves.
Result<std::string> prompt_fingerprint(const Task& task, int64_t n_docs);

}  // namespace qeval
