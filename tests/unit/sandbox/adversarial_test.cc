#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "qeval/os/process_info.h"
#include "qeval/os/subprocess.h"
#include "qeval/os/temp_dir.h"
#include "qeval/util/file.h"
#include "sandbox_test_util.h"

namespace qeval {
namespace {

using namespace sandbox_test;
namespace fs = std::filesystem;

// The program of a file, and what its head expects: "# expect: VERDICT…", "# expect-BACKEND: …", "# backends: …".
struct Case {
  std::string name, program;
  std::map<std::string, std::string> head;

  std::set<std::string> expected(const std::string& key) const {
    std::string family = key.substr(0, key.find('-'));
    auto special = head.find("expect-" + family);
    std::istringstream words(special == head.end() ? head.at("expect") : special->second);
    return {std::istream_iterator<std::string>(words), {}};
  }
  bool runs_in(const std::string& key) const {
    auto backends = head.find("backends");
    return backends == head.end() || backends->second.find(key.substr(0, key.find('-'))) != std::string::npos;
  }
};

std::vector<Case> load_cases() {
  std::vector<Case> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(QEVAL_SOURCE_DIR "/tests/cases/sandbox", error)) {
    Case item{entry.path().stem(), read_file(entry.path()).value_or(""), {}};
    std::istringstream lines(item.program);
    for (std::string line; std::getline(lines, line) && line.rfind("# ", 0) == 0;)
      if (size_t colon = line.find(": "); colon != std::string::npos) item.head[line.substr(2, colon - 2)] = line.substr(colon + 2);
    out.push_back(std::move(item));
  }
  std::sort(out.begin(), out.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  return out;
}

// What a program could reach or harm if it escaped: a file, a folder, a process, a server, an environment variable.
class Host {
 public:
  Host() : folder_(*TempDir::create("qeval-host")), canary_(start_canary()) {
    setenv("QEVAL_TEST_SECRET", "secret-3141592653", 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);  // whatever outlives its parents becomes our child, and is seen
    chmod(folder_.path().c_str(), 0777);
    EXPECT_TRUE(write_file_atomic(secret_file(), "content"));
    chmod(secret_file().c_str(), 0666);
    server_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(server_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(server_, 5), 0);
    EXPECT_EQ(getsockname(server_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Host() { close(server_); }

  std::string filled(std::string program) const {
    const char* home = std::getenv("HOME");
    for (const auto& [key, value] : std::map<std::string, std::string>{
             {"@PORT@", std::to_string(port_)}, {"@PID@", std::to_string(getpid())}, {"@CANARY@", std::to_string(canary_.pid())},
             {"@SOURCE@", QEVAL_SOURCE_DIR}, {"@HOME@", home ? home : "/root"}, {"@SECRET@", "secret-3141592653"},
             {"@SECRET_FILE@", secret_file()}, {"@SECRET_DIR@", folder_.path()}})
      for (size_t at = 0; (at = program.find(key, at)) != std::string::npos; at += value.size()) program.replace(at, key.size(), value);
    return program;
  }
  // "" = unharmed.
  std::string harm() {
    if (canary_.wait(std::chrono::milliseconds(0))) return "the canary process died";
    if (read_file(secret_file()).value_or("") != "content") return "the secret file changed";
    if (std::distance(fs::directory_iterator(folder_.path()), {}) != 1) return "a file appeared beside the secret one";
    struct stat info;
    if (stat(secret_file().c_str(), &info) != 0 || (info.st_mode & 0777) != 0666) return "the secret file's mode changed";
    return "";
  }
  // Our descendants, without the canary and without orphans that have ended.
  int processes() {
    while (waitpid_of_orphans()) {
    }
    return static_cast<int>(process_tree(getpid()).size()) - 2;
  }

 private:
  static Subprocess start_canary() {
    SubprocessOptions options;
    options.argv = {"sleep", "100000"};
    return std::move(*Subprocess::spawn(options));
  }
  std::string secret_file() const { return folder_.path() + "/secret"; }
  bool waitpid_of_orphans() {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return false;
    if (info.si_pid == canary_.pid()) return false;
    return waitpid(info.si_pid, nullptr, 0) > 0;
  }

  TempDir folder_;
  Subprocess canary_;
  int server_ = -1;
  uint16_t port_ = 0;
};

class Adversarial : public testing::TestWithParam<std::string> {};

TEST_P(Adversarial, NoProgramPassesEscapesOrOutlivesItsTest) {
  std::string why;
  auto sandbox = open_or_null(GetParam(), 1, why);
  if (!sandbox) GTEST_SKIP() << why;
  std::vector<Case> cases = load_cases();
  if (cases.empty()) GTEST_SKIP() << "the programs cannot be read as this user";
  EXPECT_GE(cases.size(), 30u);
  Host host;
  for (const Case& item : cases) {
    if (!item.runs_in(GetParam())) continue;
    SandboxLimits limits = quick_limits();
    // Who runs into the limit need not wait for long; who ends by himself must not meet it on a busy machine.
    const std::set<std::string> expected = item.expected(GetParam());
    if (expected == std::set<std::string>{"time_out"}) limits.wall = std::chrono::milliseconds(200);
    else if (!expected.contains("time_out")) limits.wall = std::chrono::seconds(20);
    ProgramRun run = sandbox->run(host.filled(item.program), limits);
    std::string verdict = to_string(run.verdict);
    EXPECT_TRUE(item.expected(GetParam()).count(verdict)) << item.name << ": " << verdict << ": " << run.detail.substr(0, 300) << "\n" << run.output.substr(0, 500);
    EXPECT_NE(run.verdict, SandboxVerdict::passed) << item.name;
    EXPECT_LE(run.output.size(), quick_limits().output_bytes) << item.name;
    EXPECT_EQ(host.harm(), "") << item.name;
    EXPECT_LE(host.processes(), 1) << item.name << ": something outlives its test";
    // A fresh interpreter has nothing of the last program but its folder.
    bool left_files = item.program.find("mkdir") != std::string::npos || item.program.find("\"w") != std::string::npos;
    if (GetParam() == "landlock" && !left_files) continue;
    limits.wall = std::chrono::seconds(20);
    ProgramRun after = sandbox->run("import os\nassert os.listdir('.') == []\n", limits);
    EXPECT_EQ(after.verdict, SandboxVerdict::passed) << "after " << item.name << ": " << after.detail;
  }
  sandbox.reset();
  EXPECT_EQ(host.processes(), 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, Adversarial, testing::Values("namespaces", "landlock"), test_name);

// Children of this process, its own among them.
std::vector<pid_t> descendants() {
  std::vector<pid_t> out = process_tree(getpid());
  out.erase(out.begin());
  return out;
}

TEST_P(Adversarial, TheSandboxSurvivesTheDeathOfItsInterpreter) {
  std::string why;
  auto sandbox = open_or_null(GetParam(), 1, why);
  if (!sandbox) GTEST_SKIP() << why;
  for (int i = 0; i < 5; ++i) {
    for (pid_t pid : descendants()) kill(pid, SIGKILL);
    EXPECT_EQ(sandbox->run("assert True", SandboxLimits{}).verdict, SandboxVerdict::passed);
  }
}

TEST_P(Adversarial, NothingOutlivesAKilledSupervisor) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t supervisor = fork();
  if (supervisor == 0) {
    std::string why;
    auto sandbox = open_or_null(GetParam(), 1, why);
    [[maybe_unused]] ssize_t n = write(ready[1], sandbox ? "y" : "n", 1);
    if (!sandbox) _exit(0);
    SandboxLimits limits;
    limits.wall = std::chrono::minutes(10);
    sandbox->run("while True: pass", limits);
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  close(ready[0]);
  close(ready[1]);
  usleep(100000);
  kill(supervisor, SIGKILL);
  waitpid(supervisor, nullptr, 0);
  for (int i = 0; i < 1000 && !descendants().empty(); ++i) {
    usleep(10000);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  EXPECT_TRUE(descendants().empty());
  if (answer == 'n') GTEST_SKIP() << "no such back end here";
}

TEST(OrdinaryUser, AdversarialProgramsAndVerdicts) {
  std::string why;
  int code = run_as_ordinary_user("*Adversarial*:*Sandbox*-OrdinaryUser*", why);
  if (code < 0) GTEST_SKIP() << why;
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace qeval
