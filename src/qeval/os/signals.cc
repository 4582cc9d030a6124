#include "qeval/os/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace qeval {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<int> wake{-1};
struct sigaction old_int, old_term, old_pipe;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<pid_t>::is_always_lock_free);

constexpr int kMaxGroups = 8;
std::atomic<pid_t> groups[kMaxGroups];

void on_signal(int) {
  if (stop_requested.exchange(true)) {
    for (auto& group : groups)
      if (pid_t pid = group.load(); pid > 1) kill(-pid, SIGKILL);
    _exit(130);
  }
  int saved = errno;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake.load(), &one, sizeof one);
  errno = saved;
}

}  // namespace

StopSignals::StopSignals() {
  stop_requested = false;
  wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int);
  sigaction(SIGTERM, &action, &old_term);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, &old_pipe);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &old_int, nullptr);
  sigaction(SIGTERM, &old_term, nullptr);
  sigaction(SIGPIPE, &old_pipe, nullptr);
  close(wake.exchange(-1));
}

const std::atomic<bool>* StopSignals::requested() { return &stop_requested; }
int StopSignals::wake_fd() const { return wake.load(); }

KilledOnExit::KilledOnExit(pid_t group) {
  for (int i = 0; i < kMaxGroups; ++i) {
    pid_t free = 0;
    if (!groups[i].compare_exchange_strong(free, group)) continue;
    place_ = i;
    return;
  }
}

KilledOnExit::~KilledOnExit() {
  if (place_ >= 0) groups[place_] = 0;
}

}  // namespace qeval
