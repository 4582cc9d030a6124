#include "qeval/os/signals.h"

#include <signal.h>
#include <unistd.h>

namespace qeval {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the handler may only touch lock-free state");
struct sigaction old_int, old_term;

void handle(int) {
  if (stop_requested.exchange(true)) _exit(130);
}

}  // namespace

StopSignal::StopSignal() {
  stop_requested = false;
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int);
  sigaction(SIGTERM, &action, &old_term);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &old_int, nullptr);
  sigaction(SIGTERM, &old_term, nullptr);
}

const std::atomic<bool>& StopSignal::flag() const { return stop_requested; }

}  // namespace qeval
