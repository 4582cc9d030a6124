#include "qeval/sandbox/worker.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "qeval/sandbox/program_session.h"

namespace qeval {

Worker::Worker(const LaunchPlan& plan, Starter starter, uid_t user) : plan_(plan), starter_(std::move(starter)), user_(user) {}

Worker::~Worker() { stop(); }

Status Worker::start() {
  if (process_.pid > 0) return {};
  if (plan_.isolation != Isolation::namespaces) {
    if (work_dir_.path().empty()) {
      QEVAL_TRY(work_dir_, TempDir::create("qeval-sandbox"));
    } else if (auto cleaned = remove_tree(work_dir_.path(), true); !cleaned) {
      // What a program left cannot stay where the next one runs.
      QEVAL_TRY(work_dir_, TempDir::create("qeval-sandbox"));
    }
    if (user_ != 0 && chown(work_dir_.path().c_str(), user_, user_) != 0)
      return fail(ErrorKind::environment, fmt::format("{}: {}", work_dir_.path(), std::strerror(errno)));
  }
  QEVAL_TRY(process_, starter_([this] { return launch(plan_, work_dir_.path(), user_); }));
  return {};
}

void Worker::prepare() { (void)start(); }

Worker::Ending Worker::stop() {
  if (process_.pid <= 0) return {};
  pid_t pid = process_.pid;
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  Ending out;
  rusage usage{};
  while (wait4(pid, &out.status, 0, &usage) < 0 && errno == EINTR) {
  }
  out.max_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  process_.pid = -1;
  process_.control.reset();
  return out;
}

std::string Worker::last_words() {
  char buffer[2000];
  ssize_t n = process_.diagnostics ? read(process_.diagnostics.get(), buffer, sizeof buffer) : -1;
  std::string out(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

ProgramRun Worker::run(const std::string& program, const SandboxLimits& limits) {
  ProgramRun failed;
  if (auto started = start(); !started) {
    failed.detail = started.error().message;
    return failed;
  }
  ProgramSession session(program, limits, stack_proof_, user_);
  if (auto sent = session.send(process_.control.get()); !sent) {
    stop();
    failed.detail = sent.error().message;
    if (std::string words = last_words(); !words.empty()) failed.detail += "; " + words;
    return failed;
  }
  bool answered = session.watch(process_.control.get(), process_.pid, !plan_.zygote);
  if (!answered || session.end()->dirty || plan_.fresh) {
    Ending ending = stop();
    if (!plan_.zygote) session.interpreter_ended(ending.status, ending.max_rss_bytes);
  }
  saw_stack_ = session.saw_stack();
  ProgramRun run = session.verdict(!plan_.zygote);
  if (run.verdict == SandboxVerdict::infrastructure)
    if (std::string words = last_words(); !words.empty()) run.detail += ": " + words;
  return run;
}

}  // namespace qeval
