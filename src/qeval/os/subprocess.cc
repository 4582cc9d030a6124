#include "qeval/os/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "qeval/util/clock.h"

extern char** environ;

namespace qeval {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return fail(ErrorKind::environment, fmt::format("pipe: {}", std::strerror(errno)));
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// posix_spawn's two objects, freed on every path.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

double seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

int milliseconds_left(SteadyClock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left + 1, 0, 1 << 30));
}

// Reads what is there. False at the end of the stream.
bool drain(int fd, std::string& out, size_t limit, bool& over) {
  char buffer[65536];
  ssize_t n = read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  size_t keep = std::min(static_cast<size_t>(n), limit - out.size());
  out.append(buffer, keep);
  over |= keep < static_cast<size_t>(n);
  return true;
}

}  // namespace

std::string ExitState::describe() const {
  if (signal == 0) return fmt::format("exit code {}", exit_code);
  const char* name = sigabbrev_np(signal);
  return name ? fmt::format("killed by SIG{}", name) : fmt::format("killed by signal {}", signal);
}

Result<Subprocess> Subprocess::spawn(const SubprocessOptions& options) {
  if (options.argv.empty() || options.argv[0].empty()) return fail(ErrorKind::internal, "no program to start");
  const std::string& program = options.argv[0];
  QEVAL_TRY(Pipe in, make_pipe());
  QEVAL_TRY(Pipe out, make_pipe());
  QEVAL_TRY(Pipe err, make_pipe());
  Subprocess child;
  SpawnSetup setup;
  // Sources move above every target first, so that no dup2 overwrites a source that is still needed.
  std::vector<std::pair<int, int>> wanted = {{in.read.get(), 0}, {out.write.get(), 1}};
  wanted.emplace_back(options.merge_stderr ? out.write.get() : err.write.get(), 2);
  if (!options.output_path.empty()) {
    out.write.reset(open(options.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!out.write) return fail(ErrorKind::environment, fmt::format("{}: {}", options.output_path, std::strerror(errno)));
    wanted[1].first = out.write.get();
    if (options.merge_stderr) wanted[2].first = out.write.get();
    out.read.reset();
  }
  wanted.insert(wanted.end(), options.extra_fds.begin(), options.extra_fds.end());
  int top = 2;
  for (const auto& [from, to] : wanted) top = std::max(top, to);
  std::vector<UniqueFd> moved;
  for (const auto& [from, to] : wanted) {
    moved.emplace_back(fcntl(from, F_DUPFD_CLOEXEC, top + 1));
    if (!moved.back()) return fail(ErrorKind::environment, fmt::format("{}: descriptor {}: {}", program, from, std::strerror(errno)));
    posix_spawn_file_actions_adddup2(&setup.actions, moved.back().get(), to);
  }
  for (int fd = 3; fd < top; ++fd)
    if (std::none_of(wanted.begin(), wanted.end(), [fd](const auto& pair) { return pair.second == fd; }))
      posix_spawn_file_actions_addclose(&setup.actions, fd);
  posix_spawn_file_actions_addclosefrom_np(&setup.actions, top + 1);
  if (!options.working_dir.empty()) posix_spawn_file_actions_addchdir_np(&setup.actions, options.working_dir.c_str());
  std::vector<char*> argv = pointers(options.argv);
  std::vector<char*> env;
  if (options.environment) env = pointers(*options.environment);
  int error = posix_spawnp(&child.pid_, program.c_str(), &setup.actions, &setup.attributes, argv.data(),
                           options.environment ? env.data() : environ);
  if (error != 0) {
    child.pid_ = -1;
    return fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::environment,
                fmt::format("{}: cannot be started: {}", program, std::strerror(error)));
  }
  child.pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
  child.stdin_ = std::move(in.write);
  child.stdout_ = std::move(out.read);
  if (!options.merge_stderr) child.stderr_ = std::move(err.read);
  return child;
}

Subprocess::Subprocess(Subprocess&& other) noexcept { *this = std::move(other); }

Subprocess& Subprocess::operator=(Subprocess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(stdin_, other.stdin_);
  std::swap(stdout_, other.stdout_);
  std::swap(stderr_, other.stderr_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(state_, other.state_);
  return *this;
}

Subprocess::~Subprocess() {
  if (pid_ > 0 && !state_) terminate(std::chrono::milliseconds(0));
}

void Subprocess::signal_group(int signal) {
  // An unreaped leader keeps its number, so that the group cannot be somebody else's.
  if (pid_ > 0 && !state_) ::kill(-pid_, signal);
}

std::optional<ExitState> Subprocess::wait(std::chrono::milliseconds timeout) {
  if (state_ || pid_ <= 0) return state_;
  auto deadline = SteadyClock::now() + timeout;
  for (;;) {
    // WNOWAIT first: the group must die while its leader still holds the number.
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == pid_) break;
    int left = timeout.count() < 0 ? -1 : milliseconds_left(deadline);
    if (left == 0) return std::nullopt;
    pollfd event{pidfd_.get(), POLLIN, 0};
    if (pidfd_) poll(&event, 1, left);
    else poll(nullptr, 0, left < 0 ? 10 : std::min(left, 10));
    if (timeout.count() >= 0 && SteadyClock::now() >= deadline) timeout = std::chrono::milliseconds(0), deadline = {};
  }
  ::kill(-pid_, SIGKILL);
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  ExitState state;
  if (WIFEXITED(status)) state.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) state.signal = WTERMSIG(status);
  state.user_s = seconds(usage.ru_utime);
  state.system_s = seconds(usage.ru_stime);
  state.max_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  state_ = state;
  return state_;
}

ExitState Subprocess::terminate(std::chrono::milliseconds grace) {
  if (!state_ && grace.count() > 0) {
    signal_group(SIGTERM);
    wait(grace);
  }
  signal_group(SIGKILL);
  return wait(std::chrono::milliseconds(-1)).value_or(ExitState{});
}

Result<CapturedProcess> run_subprocess(const SubprocessOptions& options, const CaptureOptions& capture) {
  auto start = SteadyClock::now();
  QEVAL_TRY(Subprocess child, Subprocess::spawn(options));
  CapturedProcess result;
  auto deadline = start + capture.timeout;
  size_t written = 0;
  fcntl(child.stdin_fd().get(), F_SETFL, O_NONBLOCK);
  if (capture.input.empty()) child.stdin_fd().reset();
  while (child.stdout_fd() || child.stderr_fd()) {
    result.stopped = capture.stop && capture.stop->load();
    result.timed_out = capture.timeout.count() >= 0 && SteadyClock::now() >= deadline;
    if (result.stopped || result.timed_out || result.output_limit) break;
    pollfd events[3] = {{child.stdout_fd().get(), POLLIN, 0}, {child.stderr_fd().get(), POLLIN, 0},
                        {child.stdin_fd().get(), POLLOUT, 0}};
    int wait_ms = capture.timeout.count() < 0 ? 1000 : milliseconds_left(deadline);
    poll(events, 3, capture.stop ? std::min(wait_ms, 50) : wait_ms);
    if (events[0].revents && !drain(child.stdout_fd().get(), result.out, capture.max_output_bytes, result.output_limit))
      child.stdout_fd().reset();
    if (events[1].revents && !drain(child.stderr_fd().get(), result.err, capture.max_output_bytes, result.output_limit))
      child.stderr_fd().reset();
    if (!events[2].revents) continue;
    ssize_t n = -1;
    if (events[2].revents & POLLOUT) n = write(child.stdin_fd().get(), capture.input.data() + written, capture.input.size() - written);
    if (n > 0) written += static_cast<size_t>(n);
    bool again = n < 0 && (events[2].revents & POLLOUT) && (errno == EAGAIN || errno == EINTR);
    if (written == capture.input.size() || (n < 0 && !again)) child.stdin_fd().reset();
  }
  child.stdin_fd().reset();
  if (!result.stopped && !result.timed_out && !result.output_limit) {
    auto left = capture.timeout.count() < 0 ? std::chrono::milliseconds(-1) : std::chrono::milliseconds(milliseconds_left(deadline));
    result.timed_out = !child.wait(left);
  }
  result.exit = child.terminate(std::chrono::milliseconds(0));
  result.wall_s = seconds_since(start);
  return result;
}

}  // namespace qeval
