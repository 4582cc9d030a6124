#pragma once

#include <functional>
#include <optional>
#include <string>

#include "qeval/os/temp_dir.h"
#include "qeval/sandbox/launcher.h"
#include "qeval/sandbox/sandbox.h"

namespace qeval {

// Calls what it is given on one thread that lives as long as it does: launch() binds its children to their thread.
using Starter = std::function<Result<Launched>(const std::function<Result<Launched>()>&)>;

// One interpreter in its sandbox, started again whenever the last program left anything behind. Not thread-safe.
class Worker {
 public:
  // `plan` must outlive it.
  Worker(const LaunchPlan& plan, Starter starter, uid_t user);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Starts the interpreter ahead of the next run. Errors come back from run.
  void prepare();
  // Verdict infrastructure: the sandbox ended, or never came up; `detail` says what it said last.
  ProgramRun run(const std::string& program, const SandboxLimits& limits);
  // Off: the nonce alone decides, whoever asks for it. For a machine where the stack cannot be judged.
  void set_stack_proof(bool on) { stack_proof_ = on; }
  // Whether the last run could see where the program waited; false: the nonce alone decided.
  bool saw_stack() const { return saw_stack_; }

 private:
  Status start();
  struct Ending {
    int status = 0;
    int64_t max_rss_bytes = 0;
  };
  Ending stop();  // the interpreter and all that it started
  std::string last_words();

  const LaunchPlan& plan_;
  Starter starter_;
  uid_t user_;
  TempDir work_dir_;
  Launched process_;
  bool stack_proof_ = true;
  bool saw_stack_ = false;
};

}  // namespace qeval
