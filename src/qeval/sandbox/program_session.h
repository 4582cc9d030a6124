#pragma once

#include <optional>
#include <string>

#include "qeval/os/unique_fd.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/sandbox/stack_proof.h"
#include "qeval/util/clock.h"

namespace qeval {

// How the program's process ended.
struct ProcessEnd {
  int status = 0;              // as wait(2)
  int64_t max_rss_bytes = 0;
  bool dirty = false;          // it left files behind
};

// One program's way through a sandbox: watches its private socket, its output, its time and its memory.
class ProgramSession {
 public:
  // `program` must outlive it. `stack_proof`: the nonce is handed over only at the real end, where /proc shows it.
  // `user`: whom the program runs as, see launch.
  ProgramSession(const std::string& program, const SandboxLimits& limits, bool stack_proof, uid_t user);
  // Hands the program over to the interpreter behind `control`. Error (environment): it could not be.
  Status send(int control);
  // Until the program has ended, was over a limit, or the interpreter is gone. `interpreter`: root of the process tree;
  // `one_process`: it runs the program itself, so that its end is the program's.
  // True: the interpreter answered (`end()`), false: it must be killed, or is dead already.
  bool watch(int control, pid_t interpreter, bool one_process);
  // After an interpreter that ran the program itself has ended. `status`: as wait(2).
  void interpreter_ended(int status, int64_t max_rss_bytes) { end_ = {status, max_rss_bytes, true}; }
  const std::optional<ProcessEnd>& end() const { return end_; }
  bool over_limit() const { return limit_hit_.has_value(); }
  ProgramRun verdict(bool one_process);
  bool saw_stack() const { return first_wait_.has_value(); }

 private:
  void on_message();
  void on_compiled();
  void on_claim();
  void read_output();
  bool read_end(int control);
  bool over_time();
  bool over_memory(pid_t interpreter);
  void hit(SandboxVerdict verdict, std::string why);
  double time_left_s() const;

  const std::string& program_;
  SandboxLimits limits_;
  bool stack_proof_;
  uid_t user_;
  UniqueFd source_, output_, output_end_, private_, private_end_;
  std::string nonce_, text_;
  pid_t pid_ = -1;                        // of the program's main process, as we see it
  SteadyClock::time_point start_, begun_, next_memory_check_;
  double extra_s_ = 0;                    // time that the machine did not give to the program
  std::optional<WaitingPoint> first_wait_;
  bool compiled_ = false, claimed_ = false, nonce_sent_ = false, passed_ = false;
  std::optional<SandboxVerdict> said_;    // by the program itself: never a pass
  std::string said_detail_;
  std::optional<SandboxVerdict> limit_hit_;
  std::string limit_detail_;
  std::optional<ProcessEnd> end_;
  double wall_s_ = 0;
};

}  // namespace qeval
