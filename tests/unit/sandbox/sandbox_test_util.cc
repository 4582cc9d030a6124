#include "sandbox_test_util.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "qeval/util/file.h"

namespace qeval::sandbox_test {

std::string test_name(const testing::TestParamInfo<std::string>& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::unique_ptr<Sandbox> open_or_null(const std::string& key, int n_workers, std::string& why) {
  SandboxOptions options;
  options.force_backend = key;
  options.allow_unsafe = key == "unsafe";
  options.n_workers = n_workers;
  auto sandbox = open_sandbox(options);
  if (sandbox) return std::move(*sandbox);
  why = sandbox.error().message;
  return nullptr;
}

int run_as_ordinary_user(const std::string& filter, std::string& why) {
  if (geteuid() != 0) {
    why = "already an ordinary user";
    return -1;
  }
  // By descriptor: the build folder need not be open to the other user.
  int self = open("/proc/self/exe", O_RDONLY);
  std::string argument = "--gtest_filter=" + filter;
  int out[2];
  if (pipe(out) != 0) {
    why = "no pipe";
    return -1;
  }
  fflush(nullptr);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(101);
    setenv("HOME", "/nonexistent", 1);
    char name[] = "unit_sandbox";
    char* argv[] = {name, argument.data(), nullptr};
    fexecve(self, argv, environ);
    _exit(102);
  }
  close(self);
  close(out[1]);
  // CTest takes the mark of a test skipped inside for the whole test's, a failed one's too.
  const std::string mark = "[  SKIPPED ]";
  FILE* lines = fdopen(out[0], "r");
  char* line = nullptr;
  size_t room = 0;
  while (getline(&line, &room, lines) > 0) {
    std::string text = line;
    if (size_t at = text.find(mark); at != std::string::npos) text.replace(at, mark.size(), "[  skipped ]");
    fputs(text.c_str(), stdout);
  }
  free(line);
  fclose(lines);
  int status = 0;
  waitpid(pid, &status, 0);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code == 101 || code == 102) {
    why = code == 101 ? "the user cannot be changed" : "the test program cannot be started as another user";
    return -1;
  }
  return code;
}

SandboxLimits quick_limits() {
  SandboxLimits limits;
  limits.wall = std::chrono::milliseconds(500);
  limits.memory_bytes = size_t{256} << 20;
  limits.output_bytes = size_t{200} << 10;
  return limits;
}

std::string data_file(const std::string& relative) {
  const char* folder = std::getenv("QEVAL_DATA_DIR");
  std::string path = (folder && *folder ? std::string(folder) : QEVAL_SOURCE_DIR "/../shared/datasets") + "/" + relative;
  return file_exists(path) ? path : "";
}

}  // namespace qeval::sandbox_test
