#include "qeval/sandbox/launcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "qeval/sandbox/isolate.h"
#include "qeval/sandbox/runner_script.h"
#include "qeval/sandbox/seccomp_filter.h"

namespace qeval {
namespace {

constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"};
constexpr uid_t kInnerUser = 1000;
constexpr const char* kInnerPackages = "/packages";

// What one start needs, ready before the fork.
struct Prepared {
  const LaunchPlan* plan = nullptr;
  std::string work_dir;
  uid_t user = 0;
  bool is_root = false;
  MountPlan mounts;
  IdMap ids;
  std::vector<std::string> readable, devices;
  std::vector<std::string> environment_text, argument_text;
  std::vector<char*> argv, environment;
  int control = -1, diagnostics = -1, null = -1;  // above 10, so that dup2 to 0..3 overwrites none
};

std::vector<std::string> parents_of(const std::string& relative) {
  std::vector<std::string> out;
  for (size_t slash = relative.find('/'); slash != std::string::npos; slash = relative.find('/', slash + 1))
    out.push_back(relative.substr(0, slash));
  return out;
}

void prepare_mounts(Prepared& p) {
  const PythonInstallation& python = p.plan->python;
  auto add = [&](const std::string& path, bool folder) {
    p.mounts.binds.push_back({"/oldroot" + path, path.substr(1), parents_of(path.substr(1)), folder});
  };
  for (const std::string& folder : python.folders) add(folder, true);
  bool covered = std::any_of(python.folders.begin(), python.folders.end(),
                             [&](const std::string& f) { return python.executable.rfind(f + "/", 0) == 0; });
  if (!covered) add(python.executable, false);
  std::error_code error;
  if (std::filesystem::exists("/etc/ld.so.cache", error)) add("/etc/ld.so.cache", false);
  for (const char* device : kDevices) add(device, false);
  for (const std::string& package : p.plan->packages) {
    const std::filesystem::path path(package);
    const std::string target = std::string(kInnerPackages).substr(1) + "/" + path.filename().string();
    p.mounts.binds.push_back({"/oldroot" + package, target, parents_of(target), std::filesystem::is_directory(path, error)});
  }
  for (const auto& [path, target] : python.links) p.mounts.links.emplace_back(path.substr(1), target);
  uid_t owner = p.is_root ? p.user : kInnerUser;
  p.mounts.tmp_options = fmt::format("size={},nr_inodes=4096,mode=700,uid={},gid={}", p.plan->tmp_bytes, owner, owner);
  if (!p.is_root)
    p.ids = {fmt::format("{} {} 1", kInnerUser, geteuid()), fmt::format("{} {} 1", kInnerUser, getegid())};
}

Prepared prepare(const LaunchPlan& plan, const std::string& work_dir, uid_t user) {
  Prepared p;
  p.plan = &plan;
  p.work_dir = work_dir;
  p.user = user;
  p.is_root = user != 0;
  if (plan.isolation == Isolation::namespaces) prepare_mounts(p);
  p.readable = plan.python.folders;
  p.readable.push_back(plan.python.executable);
  p.readable.push_back("/etc/ld.so.cache");
  p.argument_text = package_paths(plan);
  p.readable.insert(p.readable.end(), p.argument_text.begin(), p.argument_text.end());
  p.devices.assign(std::begin(kDevices), std::end(kDevices));
  std::string home = plan.isolation == Isolation::namespaces ? "/tmp" : work_dir;
  p.environment_text = {"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "LC_ALL=C.UTF-8"};
  if (plan.fixed_hashes) p.environment_text.push_back("PYTHONHASHSEED=0");
  for (std::string& text : p.environment_text) p.environment.push_back(text.data());
  p.environment.push_back(nullptr);
  // Isolated mode is deaf to the seed; its other effects are had without it: the environment is ours, and the script drops
  // the current folder from the path.
  for (const char* argument : {plan.python.executable.c_str(), plan.fixed_hashes ? "-s" : "-I", "-S", "-B", "-c", kRunnerScript,
                               plan.zygote ? "zygote" : "once"})
    p.argv.push_back(const_cast<char*>(argument));
  p.argument_text.insert(p.argument_text.end(), plan.preload.begin(), plan.preload.end());
  for (std::string& text : p.argument_text) p.argv.push_back(text.data());
  p.argv.push_back(nullptr);
  return p;
}

void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 65; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool arrange_descriptors(const Prepared& p) {
  if (dup2(p.null, 0) < 0 || dup2(p.diagnostics, 1) < 0 || dup2(p.diagnostics, 2) < 0 || dup2(p.control, 3) < 0)
    return child_failed("dup2");
  if (syscall(SYS_close_range, 4u, ~0u, 0u) == 0) return true;
  for (int fd = 4; fd < 65536; ++fd) close(fd);
  return true;
}

bool limit_resources() {
  rlimit core{0, 0}, files{64, 64}, stack{8 << 20, 8 << 20};
  setrlimit(RLIMIT_STACK, &stack);
  if (setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_NOFILE, &files) != 0) return child_failed("setrlimit");
  return true;
}

bool isolate(const Prepared& p) {
  const LaunchPlan& plan = *p.plan;
  if (plan.isolation == Isolation::namespaces) {
    if (!write_id_maps(p.ids) || !enter_private_root(p.mounts)) return false;
    [[maybe_unused]] int ignored = sethostname("sandbox", 7);
  } else if (chdir(p.work_dir.c_str()) != 0) {
    return child_failed("chdir");
  }
  if (!limit_resources() || !drop_privileges(p.is_root, p.user)) return false;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return child_failed("prctl");
  if (plan.isolation == Isolation::landlock && !restrict_files(p.readable, p.devices, p.work_dir.c_str())) return false;
  if (plan.filter.empty()) return true;
  sock_fprog program{static_cast<unsigned short>(plan.filter.size()), const_cast<sock_filter*>(plan.filter.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 || child_failed("seccomp");
}

[[noreturn]] void child_main(const Prepared& p) {
  reset_signals();
  setsid();
  umask(022);
  if (arrange_descriptors(p) && isolate(p)) {
    execve(p.plan->executable->c_str(), p.argv.data(), p.environment.data());
    child_failed("execve");
  }
  _exit(98);
}

Result<UniqueFd> above_ten(int fd, const char* what) {
  UniqueFd out(fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 10));
  if (!out) return fail(ErrorKind::environment, fmt::format("sandbox: {}: {}", what, std::strerror(errno)));
  return out;
}

bool is_mapped(uid_t user) {
  FILE* map = std::fopen("/proc/self/uid_map", "re");
  unsigned long inside = 0, outside = 0, count = 0;
  bool mapped = false;
  while (map && std::fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3) mapped |= user >= inside && user - inside < count;
  if (map) std::fclose(map);
  return mapped;
}

}  // namespace

uid_t unprivileged_user(unsigned index) {
  if (geteuid() != 0) return 0;
  // Beyond every range that distributions hand out; a user namespace of a container may not map it.
  constexpr uid_t base = 0x70000000, nobody = 65534;
  uid_t wanted = base + (static_cast<uid_t>(getpid()) % 65536) * 256 + index % 256;
  if (is_mapped(wanted)) return wanted;
  return is_mapped(nobody) ? nobody : 0;
}

std::vector<std::string> package_paths(const LaunchPlan& plan) {
  if (plan.packages.empty()) return {};
  if (plan.isolation == Isolation::namespaces) return {kInnerPackages};
  std::vector<std::string> out;
  for (const std::string& package : plan.packages) out.push_back(std::filesystem::path(package).parent_path().string());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<LaunchPlan> make_launch_plan(Isolation isolation, bool fresh, const PythonInstallation& python) {
  LaunchPlan plan;
  plan.isolation = isolation;
  plan.zygote = isolation == Isolation::namespaces;
  plan.fresh = fresh || !plan.zygote;
  plan.python = python;
  if (isolation == Isolation::landlock && landlock_version() == 0)
    return fail(ErrorKind::environment, "the kernel offers no Landlock (Linux 5.13 or newer, with landlock among its lsm=)");
  plan.executable = std::make_shared<const std::string>(python.executable);
  if (isolation == Isolation::none) return plan;
  bool bounded = isolation == Isolation::namespaces;
  QEVAL_TRY(plan.filter, build_seccomp_filter({plan.executable->c_str(), bounded, bounded}));
  return plan;
}

Result<Launched> launch(const LaunchPlan& plan, const std::string& work_dir, uid_t user) {
  Prepared p = prepare(plan, work_dir, user);
  int sockets[2], pipes[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return fail(ErrorKind::environment, fmt::format("socketpair: {}", std::strerror(errno)));
  Launched out;
  out.control.reset(sockets[0]);
  UniqueFd control_end(sockets[1]);
  if (pipe2(pipes, O_CLOEXEC) != 0) return fail(ErrorKind::environment, fmt::format("pipe: {}", std::strerror(errno)));
  out.diagnostics.reset(pipes[0]);
  UniqueFd diagnostics_end(pipes[1]), null_end(open("/dev/null", O_RDWR | O_CLOEXEC));
  fcntl(out.diagnostics.get(), F_SETFL, O_NONBLOCK);
  QEVAL_TRY(UniqueFd control, above_ten(control_end.get(), "control socket"));
  QEVAL_TRY(UniqueFd diagnostics, above_ten(diagnostics_end.get(), "pipe"));
  QEVAL_TRY(UniqueFd null, above_ten(null_end.get(), "/dev/null"));
  p.control = control.get();
  p.diagnostics = diagnostics.get();
  p.null = null.get();
  unsigned long flags = SIGCHLD;
  if (plan.isolation == Isolation::namespaces)
    flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (p.is_root ? 0 : CLONE_NEWUSER);
  out.pid = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (out.pid == 0) child_main(p);
  if (out.pid < 0)
    return fail(ErrorKind::environment, fmt::format("{}: {}", plan.isolation == Isolation::namespaces ? "new namespaces" : "fork",
                                                    std::strerror(errno)));
  return out;
}

}  // namespace qeval
