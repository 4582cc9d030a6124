#include "qeval/sandbox/sandbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "qeval/sandbox/worker.h"

namespace qeval {
namespace {

struct Backend {
  const char* key;          // for force_backend
  const char* name;         // recorded with scores
  Isolation isolation;
  bool fresh;               // an interpreter serves one program only
};
// Best first. "namespaces-once" gives each program a fresh interpreter; for tests and comparison.
constexpr Backend kBackends[] = {
    {"namespaces", "namespaces+seccomp+rlimits", Isolation::namespaces, false},
    {"namespaces-once", "namespaces+seccomp+rlimits, one interpreter a program", Isolation::namespaces, true},
    {"landlock", "landlock+seccomp+rlimits", Isolation::landlock, true},
    {"unsafe", "UNSAFE", Isolation::none, true},
};

// A program that passes only where what must be out of reach is.
constexpr const char* kProbe = R"PY(
import os
def reachable(what, *arguments):
    try:
        what(*arguments)
    except OSError:
        return False
    return True
assert not reachable(open, "/etc/passwd")
assert not reachable(open, "/proc/self/environ")
assert not reachable(os.listdir, os.path.expanduser("~root"))
import _socket
assert not reachable(_socket.socket, _socket.AF_INET, _socket.SOCK_STREAM)
assert not reachable(os.execv, "/bin/true", ["true"])
assert not reachable(open, "/usr/lib/qeval-probe", "w")
assert set(os.environ) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONHASHSEED"}
with open("probe", "w") as file:
    file.write("x")
import _thread, time
_thread.start_new_thread(time.sleep, (60,))
)PY";
constexpr const char* kTrivial = "import _thread, time\n_thread.start_new_thread(time.sleep, (60,))\nassert 1 + 1 == 2\n";

// Runs what it is given on one thread of its own: the kernel ties a child to the thread that started it.
class StarterThread {
 public:
  StarterThread() : thread_([this] { loop(); }) {}
  ~StarterThread() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Result<Launched> call(const std::function<Result<Launched>()>& work) {
    Job job{&work, fail(ErrorKind::internal, "not started"), false};
    std::unique_lock lock(mutex_);
    jobs_.push_back(&job);
    changed_.notify_all();
    changed_.wait(lock, [&] { return job.done; });
    return std::move(job.result);
  }

 private:
  struct Job {
    const std::function<Result<Launched>()>* work;
    Result<Launched> result;
    bool done;
  };
  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job* job = jobs_.front();
      jobs_.pop_front();
      lock.unlock();
      Result<Launched> result = (*job->work)();
      lock.lock();
      job->result = std::move(result);
      job->done = true;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> jobs_;
  bool closing_ = false;
  std::thread thread_;
};

class WorkerSandbox : public Sandbox {
 public:
  WorkerSandbox(const Backend& backend, LaunchPlan plan, int n_workers) : name_(backend.name), plan_(std::move(plan)) {
    for (int i = 0; i < std::max(1, n_workers); ++i) {
      workers_.push_back(std::make_unique<Worker>(
          plan_, [this](const std::function<Result<Launched>()>& work) { return starter_.call(work); },
          unprivileged_user(static_cast<unsigned>(i))));
      idle_.push_back(workers_.back().get());
    }
  }

  std::string backend() const override { return name_; }

  ProgramRun run(const std::string& program, const SandboxLimits& limits) override {
    Lease lease(*this);
    ProgramRun run = lease.worker->run(program, limits);
    // A sandbox that ends once may have been unlucky. If it ends twice with one program and works with another, it was
    // the program that ended it.
    if (run.verdict == SandboxVerdict::infrastructure) run = lease.worker->run(program, limits);
    if (run.verdict == SandboxVerdict::infrastructure) {
      std::string detail = run.detail;
      if (lease.worker->run(kTrivial, SandboxLimits{}).verdict == SandboxVerdict::passed) {
        run.verdict = SandboxVerdict::exited;
        run.detail = "ended the sandbox that it ran in (" + detail + ")";
      }
    }
    lease.worker->prepare();
    return run;
  }

  // "" = works; else why not.
  std::string probe() {
    Lease lease(*this);
    SandboxLimits limits;
    limits.wall = std::chrono::seconds(10);
    std::string program = plan_.isolation == Isolation::none ? kTrivial : kProbe;
    ProgramRun run = lease.worker->run(program, limits);
    if (run.verdict == SandboxVerdict::exited) {  // a C library or interpreter whose stack we misjudge
      for (auto& worker : workers_) worker->set_stack_proof(false);
      run = lease.worker->run(program, limits);
    }
    if (run.verdict != SandboxVerdict::passed) return fmt::format("{}: {}", to_string(run.verdict), run.detail);
    if (!lease.worker->saw_stack() && plan_.isolation != Isolation::none) name_ += ", end of tests by nonce alone";
    run = lease.worker->run("def f():\n    return 1\nassert f() == 2\n", limits);
    if (run.verdict != SandboxVerdict::failed) return fmt::format("a failing program was {}: {}", to_string(run.verdict), run.detail);
    lease.worker->prepare();
    return "";
  }

 private:
  struct Lease {
    explicit Lease(WorkerSandbox& owner) : owner_(owner) {
      std::unique_lock lock(owner.mutex_);
      owner.free_.wait(lock, [&] { return !owner.idle_.empty(); });
      worker = owner.idle_.back();
      owner.idle_.pop_back();
    }
    ~Lease() {
      std::lock_guard lock(owner_.mutex_);
      owner_.idle_.push_back(worker);
      owner_.free_.notify_one();
    }
    Worker* worker = nullptr;
    WorkerSandbox& owner_;
  };

  std::string name_;
  LaunchPlan plan_;
  StarterThread starter_;
  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
};

Result<std::unique_ptr<Sandbox>> open_backend(const Backend& backend, const PythonInstallation& python, const SandboxOptions& options) {
  QEVAL_TRY(LaunchPlan plan, make_launch_plan(backend.isolation, backend.fresh, python));
  plan.packages = options.packages;
  plan.preload = options.preload;
  plan.fixed_hashes = options.fixed_hashes;
  auto sandbox = std::make_unique<WorkerSandbox>(backend, std::move(plan), options.n_workers);
  if (std::string why = sandbox->probe(); !why.empty()) return fail(ErrorKind::environment, why);
  return sandbox;
}

}  // namespace

const char* to_string(SandboxVerdict verdict) {
  switch (verdict) {
    case SandboxVerdict::passed: return "passed";
    case SandboxVerdict::failed: return "failed";
    case SandboxVerdict::runtime_error: return "runtime_error";
    case SandboxVerdict::syntax_error: return "syntax_error";
    case SandboxVerdict::time_out: return "time_out";
    case SandboxVerdict::memory_limit: return "memory_limit";
    case SandboxVerdict::output_limit: return "output_limit";
    case SandboxVerdict::exited: return "exited";
    case SandboxVerdict::infrastructure: return "infrastructure";
  }
  return "infrastructure";
}

Result<std::unique_ptr<Sandbox>> open_sandbox(const SandboxOptions& options) {
  QEVAL_TRY(PythonInstallation python, find_python(options.python));
  std::string tried;
  for (const Backend& backend : kBackends) {
    bool forced = options.force_backend == backend.key;
    if (!options.force_backend.empty() && !forced) continue;
    if (options.force_backend.empty() && backend.fresh && backend.isolation == Isolation::namespaces) continue;
    if (backend.isolation == Isolation::none && !options.allow_unsafe) continue;
    auto opened = open_backend(backend, python, options);
    if (opened) return opened;
    tried += fmt::format("\n  {}: {}", backend.name, opened.error().message);
  }
  return fail(ErrorKind::environment,
              "model-written Python needs a sandbox, and none works here:" + tried +
                  "\nOne of these is enough: unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on "
                  "Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0), root, or a kernel with Landlock (5.13 or "
                  "newer). --unsafe-code runs it without any protection.");
}

std::vector<std::pair<std::string, std::string>> probe_sandboxes() {
  std::vector<std::pair<std::string, std::string>> out;
  auto python = find_python();
  for (const Backend& backend : kBackends) {
    if (backend.isolation == Isolation::none || (backend.isolation == Isolation::namespaces && backend.fresh)) continue;
    if (!python) {
      out.emplace_back(backend.name, python.error().message);
      continue;
    }
    SandboxOptions options;
    options.n_workers = 1;
    auto opened = open_backend(backend, *python, options);
    out.emplace_back(backend.name, opened ? "works, " + python->executable + " " + python->version : opened.error().message);
  }
  return out;
}

}  // namespace qeval
