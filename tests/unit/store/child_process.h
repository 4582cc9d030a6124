#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace qeval {

// Runs `work` in a forked process and gives its exit status; 255 where it was killed. The parent must have no store
// open in a thread that the child relies on: the child opens its own.
template <typename F>
pid_t start_child(F&& work) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  return pid;
}

inline int wait_child(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return 254;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

// As an ordinary user where the tests run as root, who may write everywhere.
template <typename F>
int as_ordinary_user(F&& work) {
  return wait_child(start_child([&]() -> int {
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 100;
    return work();
  }));
}

}  // namespace qeval
