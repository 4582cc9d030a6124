#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "qeval/os/line_printer.h"
#include "qeval/os/process_info.h"
#include "qeval/os/signals.h"
#include "qeval/os/subprocess.h"
#include "qeval/os/temp_dir.h"
#include "qeval/os/terminal.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

using std::chrono::milliseconds;

CapturedProcess shell(const std::string& script, CaptureOptions capture = {}, SubprocessOptions options = {}) {
  options.argv = {"/bin/sh", "-c", script};
  auto result = run_subprocess(options, capture);
  EXPECT_TRUE(result) << result.error().message;
  return result.value_or(CapturedProcess{});
}

TEST(Subprocess, CapturesBothStreamsAndTheExitCode) {
  CaptureOptions capture;
  capture.input = std::string(300000, 'x');
  CapturedProcess p = shell("wc -c; echo problem >&2; exit 3", capture);
  EXPECT_EQ(p.out, "300000\n");
  EXPECT_EQ(p.err, "problem\n");
  EXPECT_EQ(p.exit.exit_code, 3);
  EXPECT_EQ(p.exit.describe(), "exit code 3");
}

TEST(Subprocess, EnvironmentIsExactlyWhatIsGiven) {
  SubprocessOptions options;
  options.environment = {"A=1", "PATH=/usr/bin:/bin", "LONG=" + std::string(100, 'x')};
  options.working_dir = "/";
  CapturedProcess p = shell("/usr/bin/env; pwd", {}, options);
  EXPECT_NE(p.out.find("A=1\n"), std::string::npos);
  EXPECT_NE(p.out.find("PATH=/usr/bin:/bin\n"), std::string::npos);
  EXPECT_NE(p.out.find("LONG=" + std::string(100, 'x') + "\n"), std::string::npos);
  EXPECT_EQ(p.out.find("HOME="), std::string::npos);
  EXPECT_TRUE(p.out.ends_with("/\n"));
}

TEST(Subprocess, ADeadlineKillsTheWholeGroup) {
  CaptureOptions capture;
  capture.timeout = milliseconds(200);
  CapturedProcess p = shell("sleep 60 & echo $!; trap '' TERM; sleep 60", capture);
  EXPECT_TRUE(p.timed_out);
  EXPECT_EQ(p.exit.signal, SIGKILL);
  pid_t background = std::atoi(p.out.c_str());
  ASSERT_GT(background, 1);
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i, usleep(10000)) {
    // An orphan may stay as a zombie until its new parent reaps it.
    auto stat = read_file("/proc/" + std::to_string(background) + "/stat");
    gone = !stat || stat->find(") Z") != std::string::npos;
  }
  EXPECT_TRUE(gone);
}

TEST(Subprocess, AFloodIsCutAndKilled) {
  CaptureOptions capture;
  capture.max_output_bytes = 100000;
  CapturedProcess p = shell("yes", capture);
  EXPECT_TRUE(p.output_limit);
  EXPECT_EQ(p.out.size(), 100000u);
}

TEST(Subprocess, AStopFlagEndsIt) {
  std::atomic<bool> stop{false};
  CaptureOptions capture;
  capture.stop = &stop;
  std::thread setter([&] { stop = true; });
  CapturedProcess p = shell("sleep 60", capture);
  setter.join();
  EXPECT_TRUE(p.stopped);
}

TEST(Subprocess, PassesOnlyTheDescriptorsThatAreNamed) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);  // without O_CLOEXEC: would leak
  SubprocessOptions options;
  options.extra_fds = {{fds[1], 7}};
  CapturedProcess p = shell("echo hello >&7; for n in 3 4 5 6 8 9; do (: >&$n) 2>/dev/null && echo open $n; done", {}, options);
  EXPECT_EQ(p.out, "");
  char buffer[16] = {};
  EXPECT_EQ(read(fds[0], buffer, sizeof buffer), 6);
  EXPECT_STREQ(buffer, "hello\n");
  close(fds[0]);
  close(fds[1]);
}

TEST(Subprocess, AMissingProgramIsNotFound) {
  SubprocessOptions options;
  options.argv = {"/nowhere/at-all"};
  auto result = run_subprocess(options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::not_found);
  EXPECT_NE(result.error().message.find("/nowhere/at-all"), std::string::npos);
}

TEST(Subprocess, WritesToAFileAndTerminatesGently) {
  TempDir dir = *TempDir::create("qeval-os");
  SubprocessOptions options;
  options.argv = {"/bin/sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"};
  options.output_path = dir.path() + "/log";
  auto child = Subprocess::spawn(options);
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->wait(milliseconds(0)));
  for (int i = 0; i < 500 && read_file(options.output_path).value_or("").empty(); ++i) usleep(10000);
  EXPECT_EQ(child->terminate(milliseconds(10000)).exit_code, 5);
  EXPECT_EQ(*read_file(options.output_path), "up\nbye\n");
}

TEST(TempDir, RemovesHostileTrees) {
  std::string path;
  {
    TempDir dir = *TempDir::create("qeval-os");
    path = dir.path();
    int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 1500; ++i) {
      ASSERT_EQ(mkdirat(fd, "deep", 0700), 0);
      int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
      if (i % 500 == 499) fchmod(fd, 0);
      close(fd);
      fd = next;
    }
    close(fd);
    ASSERT_EQ(symlink("/", (path + "/root").c_str()), 0);
    ASSERT_EQ(symlink("loop", (path + "/loop").c_str()), 0);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_EQ(access("/usr", F_OK), 0);
  EXPECT_TRUE(remove_tree(path));
}

TEST(TempDir, CanKeepTheRoot) {
  TempDir dir = *TempDir::create("qeval-os");
  std::ofstream(dir.path() + "/file") << "x";
  EXPECT_TRUE(remove_tree(dir.path(), true));
  EXPECT_FALSE(file_exists(dir.path() + "/file"));
  EXPECT_TRUE(file_exists(dir.path()));
}

TEST(Signals, FirstSetsTheFlagSecondEndsWith130) {
  pid_t pid = fork();
  if (pid == 0) {
    StopSignals signals;
    raise(SIGINT);
    pollfd event{signals.wake_fd(), POLLIN, 0};
    if (!signals.flag()->load() || poll(&event, 1, 1000) != 1) _exit(1);
    raise(SIGTERM);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

TEST(Signals, RestoresTheFormerHandlers) {
  { StopSignals signals; }
  struct sigaction action{};
  sigaction(SIGINT, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

std::string printed(const LinePrinterOptions& base, const std::function<void(LinePrinter&)>& use) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  LinePrinterOptions options = base;
  options.fd = fds[1];
  {
    LinePrinter printer(options);
    use(printer);
  }
  close(fds[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  close(fds[0]);
  return out;
}

TEST(LinePrinter, PlainStreamsGetFewLines) {
  std::string out = printed({}, [](LinePrinter& p) {
    EXPECT_FALSE(p.live());
    p.progress("1 of 9");
    p.progress("2 of 9");
    p.note("a note");
    p.progress("3 of 9");
    p.progress_done();
  });
  EXPECT_EQ(out, "1 of 9\na note\n3 of 9\n");
}

TEST(LinePrinter, ALiveLineIsRedrawnBelowNotes) {
  LinePrinterOptions options;
  options.terminal = true;
  options.width = 8;
  options.live_interval = milliseconds(0);
  std::string out = printed(options, [](LinePrinter& p) {
    p.progress("äbcdefghij\n");
    p.note("kept");
    p.progress_done();
  });
  EXPECT_EQ(out, "\räbcdef…\x1b[K\r\x1b[Kkept\n\räbcdef…\x1b[K\r\x1b[K");
}

TEST(Terminal, TextFitsAndCarriesNoControls) {
  EXPECT_EQ(fit_to_width("abc", 3), "abc");
  EXPECT_EQ(fit_to_width("abcd", 3), "ab…");
  EXPECT_EQ(fit_to_width("a\x1b[2J\n", 20), "a [2J ");
  EXPECT_EQ(fit_to_width("abc", 0), "");
}

TEST(ProcessInfo, SeesChildrenAndTheirMemory) {
  SubprocessOptions options;
  options.argv = {"/bin/sh", "-c", "sleep 60 & sleep 60 & wait"};
  auto child = Subprocess::spawn(options);
  ASSERT_TRUE(child);
  for (int i = 0; i < 500 && process_tree(child->pid()).size() < 3; ++i) usleep(10000);
  auto usage = process_tree_usage(child->pid());
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->n_processes, 3);
  EXPECT_GT(usage->rss_bytes, 0);
  pid_t pid = child->pid();
  child->terminate(milliseconds(0));
  EXPECT_FALSE(process_tree_usage(pid));
  EXPECT_GT(own_usage().peak_rss_bytes, 1 << 20);
}

TEST(ProcessStat, KnowsWhoAProcessIsAndItsGroup) {
  SubprocessOptions options;
  options.argv = {"/bin/sh", "-c", "sleep 60 & sleep 60"};
  auto child = Subprocess::spawn(options);
  ASSERT_TRUE(child);
  auto stat = process_stat(child->pid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, ::getpid());
  EXPECT_EQ(stat->group, child->pid());
  EXPECT_FALSE(stat->zombie);
  EXPECT_GT(stat->start_ticks, 0u);
  while (process_group(child->pid()).size() < 3) std::this_thread::sleep_for(milliseconds(2));
  EXPECT_EQ(processes_usage(process_group(child->pid())).n_processes, 3);
  child->terminate(milliseconds(0));
  while (!process_group(child->pid()).empty()) std::this_thread::sleep_for(milliseconds(2));  // until init has buried the child's children
  EXPECT_FALSE(process_stat(child->pid()));
}

}  // namespace
}  // namespace qeval
