#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

enum class SandboxVerdict {  // stored as text
  passed,          // the nonce written after the last test arrived on the private descriptor
  failed,          // an assertion of the tests did not hold
  runtime_error,   // any other exception
  syntax_error,    // the program does not compile; `detail` has Python's message
  time_out,
  memory_limit,
  output_limit,
  exited,          // ended without exception and without reaching the end of the tests (os._exit, sys.exit)
  infrastructure,  // the sandbox itself failed: never the program's fault
};
const char* to_string(SandboxVerdict verdict);

struct SandboxLimits {
  std::chrono::milliseconds wall{3000};   // per program, lm-eval's 3.0 s
  size_t memory_bytes = size_t{1} << 30;
  size_t output_bytes = size_t{1} << 20;  // parent caps the pipes
  size_t file_bytes = size_t{16} << 20;
  int max_processes = 32;
};

struct ProgramRun {
  SandboxVerdict verdict = SandboxVerdict::infrastructure;
  std::string detail;      // last traceback line(s) or why the sandbox failed; printable, bounded
  std::string output;      // bounded
  double wall_s = 0;
};

// Runs hostile Python. Thread-safe: several run() at once.
class Sandbox {
 public:
  virtual ~Sandbox() = default;
  // "namespaces+seccomp+rlimits", "landlock+seccomp+rlimits" (either with ", end of tests by nonce alone" where the
  // kernel hides where a process waits), "UNSAFE"; recorded with scores.
  virtual std::string backend() const = 0;
  // `program`: candidate and tests in one module, UTF-8 (invalid bytes become U+FFFD). Runs to its end as the module
  // "program", not as __main__: blocks under `if __name__ == "__main__":` do not run, as in the reference's harness.
  // Blocks; the wall limit stretches, up to four times, by the time that the machine did not give to the program.
  virtual ProgramRun run(const std::string& program, const SandboxLimits& limits) = 0;
};

struct SandboxOptions {
  bool allow_unsafe = false;     // --unsafe-code: without any back end run bare, with rlimits only
  std::string force_backend;     // "" = best that the probe finds; namespaces, namespaces-once, landlock, unsafe
  std::string python;            // "" = find the real interpreter (no pyenv shim)
  // Folders and files of packages that programs may import, beside the standard library: real paths.
  std::vector<std::string> packages;
  bool fixed_hashes = false;         // sets of texts have the same order in every process, so that the same program prints the same
  std::vector<std::string> preload;  // modules that the interpreter imports ahead of every program, where it can
  int n_workers = 2;
};
// Probes back ends by running a real program in each. Error (environment): what is missing and how to get it.
Result<std::unique_ptr<Sandbox>> open_sandbox(const SandboxOptions& options);
// For `doctor`: each back end with "works" or why not.
std::vector<std::pair<std::string, std::string>> probe_sandboxes();

}  // namespace qeval
