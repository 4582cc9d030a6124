#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "qeval/engine/vllm/command.h"
#include "qeval/engine/vllm/server_record.h"
#include "qeval/engine/vllm/start_log.h"
#include "qeval/os/signals.h"
#include "qeval/os/subprocess.h"
#include "qeval/util/result.h"

namespace qeval {

struct VllmServerOptions {
  VllmCommandRequest command;           // its port 0: a free one is taken
  std::string state_dir;                // records of running servers and their logs
  const std::atomic<bool>* stop = nullptr;              // true: give up waiting
  std::function<void(const std::string&)> progress;     // a few times a second while it starts
  std::function<void(const std::string&)> note;         // one line worth keeping
};

// A `vllm serve` on loopback, in a process group of its own, stopped on destruction. One thread at a time.
class VllmServer {
 public:
  // Ends what a killed qeval left behind, or takes it over where it is exactly what is wanted and answers; else starts one and
  // waits until it answers. Errors: environment (why it did not start, the log's path and last lines), usage (from the
  // command), interrupted.
  static Result<std::unique_ptr<VllmServer>> start(const VllmServerOptions& options);
  ~VllmServer();
  VllmServer(const VllmServer&) = delete;
  VllmServer& operator=(const VllmServer&) = delete;

  std::string base_url() const;  // http://127.0.0.1:PORT
  pid_t pid() const { return record_.pid; }
  bool adopted() const { return adopted_; }
  const VllmCommand& command() const { return command_; }
  const StartLog& log() const { return log_; }
  bool alive();
  // Whether its /health answers; a server whose engine died answers 503 until it ends.
  bool healthy() const;
  // Why it is gone: how the process ended, and its last words. For after alive() said no.
  std::string last_words();
  // A new process with the same command line on the same port, waited for. Errors as start().
  Status restart();
  void stop();

 private:
  explicit VllmServer(const VllmServerOptions& options) : options_(options) {}
  Result<bool> adopt_or_sweep(const std::string& fingerprint);
  Status launch();
  Status wait_until_healthy();
  void read_log();
  Error start_error(StartFailure failure, const std::string& how) const;

  VllmServerOptions options_;
  VllmCommand command_;
  ServerRecord record_;
  bool adopted_ = false;
  std::optional<Subprocess> process_;
  std::unique_ptr<KilledOnExit> killed_on_exit_;
  StartLog log_;
  int64_t log_read_ = 0;
};

// Ends the servers whose qeval is gone. How many. Says each through `note`.
int sweep_orphans(const std::string& state_dir, const std::function<void(const std::string&)>& note);

}  // namespace qeval
