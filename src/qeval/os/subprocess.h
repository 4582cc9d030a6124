#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qeval/os/unique_fd.h"
#include "qeval/util/result.h"

namespace qeval {

struct SubprocessOptions {
  std::vector<std::string> argv;                        // argv[0] is looked up in PATH
  std::optional<std::vector<std::string>> environment;  // absent: inherited; else exactly these KEY=VALUE
  std::string working_dir;                              // "" = the caller's
  bool merge_stderr = false;                            // stderr goes where stdout goes
  std::string output_path;                              // not "": stdout goes to the end of this file, not to a pipe
  std::vector<std::pair<int, int>> extra_fds;           // (ours, the child's number >= 3); everything else is closed
};

struct ExitState {
  int exit_code = -1;         // -1 where a signal ended it
  int signal = 0;
  double user_s = 0, system_s = 0;
  int64_t max_rss_bytes = 0;  // of the process and of the children that it waited for
  bool ok() const { return exit_code == 0; }
  std::string describe() const;  // "exit code 2", "killed by SIGKILL"
};

// A running child in a process group of its own. Killed, with its group, and reaped on destruction. Not thread-safe.
class Subprocess {
 public:
  // Error (not_found): no such program; (environment): everything else, with the system's reason.
  static Result<Subprocess> spawn(const SubprocessOptions& options);
  Subprocess(Subprocess&& other) noexcept;
  Subprocess& operator=(Subprocess&& other) noexcept;
  ~Subprocess();

  pid_t pid() const { return pid_; }
  UniqueFd& stdin_fd() { return stdin_; }    // blocking write end; close it to give the child its end of file
  UniqueFd& stdout_fd() { return stdout_; }  // read end
  UniqueFd& stderr_fd() { return stderr_; }
  // To the whole group. Harmless after the end.
  void signal_group(int signal);
  // Blocks up to `timeout` (negative: for ever). nullopt: still running. Later calls return the same state.
  std::optional<ExitState> wait(std::chrono::milliseconds timeout);
  // SIGTERM, then SIGKILL after `grace`; always ends.
  ExitState terminate(std::chrono::milliseconds grace);

 private:
  Subprocess() = default;
  pid_t pid_ = -1;
  UniqueFd stdin_, stdout_, stderr_, pidfd_;
  std::optional<ExitState> state_;
};

struct CaptureOptions {
  std::string input;                                    // written to stdin, which is then closed
  size_t max_output_bytes = size_t{16} << 20;           // of stdout and of stderr, each; beyond it the group is killed
  std::chrono::milliseconds timeout{-1};                // negative: none
  const std::atomic<bool>* stop = nullptr;              // true: the group is killed
};

struct CapturedProcess {
  ExitState exit;
  std::string out, err;
  bool timed_out = false, output_limit = false, stopped = false;
  double wall_s = 0;
};

// Runs to the end, or to a limit. Leaves no process of the group behind. Errors as spawn.
Result<CapturedProcess> run_subprocess(const SubprocessOptions& options, const CaptureOptions& capture = {});

}  // namespace qeval
