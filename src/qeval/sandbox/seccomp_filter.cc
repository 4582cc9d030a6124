#include "qeval/sandbox/seccomp_filter.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>

#include "qeval/os/unique_fd.h"

namespace qeval {
namespace {

constexpr const char* kAllowed =
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range creat stat lstat fstat "
    "newfstatat fstatat64 statx fstatfs statfs access faccessat faccessat2 lseek munmap mremap madvise mincore msync brk "
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack restart_syscall "
    "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd "
    "eventfd2 timerfd_create timerfd_settime timerfd_gettime pipe pipe2 dup dup2 dup3 flock fsync fdatasync "
    "ftruncate fallocate fadvise64 getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename "
    "renameat renameat2 link linkat symlink symlinkat readlink readlinkat umask sched_yield sched_getaffinity "
    "sched_getparam sched_getscheduler nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times "
    "getitimer setitimer alarm pause getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups "
    "getpgid getpgrp getsid setsid setpgid uname sysinfo getrusage getrlimit setrlimit getpriority getcpu arch_prctl "
    "set_tid_address set_robust_list rseq futex futex_waitv membarrier getrandom exit exit_group wait4 waitid sendto "
    "recvfrom sendmsg recvmsg shutdown getsockopt setsockopt getsockname getpeername sendfile copy_file_range splice tee";
constexpr const char* kForking = "fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal";
constexpr const char* kMetadata = "chmod fchmod fchmodat fchmodat2 utime utimes utimensat futimesat truncate";
// Named so that programs see "not permitted" rather than "not implemented".
constexpr const char* kRefused =
    "socket connect bind listen accept accept4 ptrace process_vm_readv process_vm_writev unshare setns mount umount2 "
    "chroot pivot_root execveat setuid setgid setresuid setresgid setreuid setregid setgroups chown fchown lchown "
    "fchownat mknod mknodat memfd_create reboot swapon sethostname bpf perf_event_open keyctl add_key request_key "
    "pidfd_getfd setpriority sched_setaffinity sched_setscheduler sched_setparam io_uring_setup userfaultfd";

constexpr uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_PARENT;

// Collects rules; names that this machine's libseccomp or architecture does not know are left out.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx context) : context_(context) {}
  void add(uint32_t action, const char* name, std::vector<scmp_arg_cmp> arguments = {}) {
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0) return;
    int error = seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(arguments.size()), arguments.data());
    if (error != 0 && error != -EEXIST && error_ == 0) error_ = error;
  }
  void add_all(uint32_t action, const char* names) {
    std::istringstream words(names);
    for (std::string name; words >> name;) add(action, name.c_str());
  }
  int error() const { return error_; }

 private:
  scmp_filter_ctx context_;
  int error_ = 0;
};

scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}
scmp_arg_cmp equals(unsigned argument, uint64_t value) { return scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp differs(unsigned argument, uint64_t value) { return scmp_arg_cmp{argument, SCMP_CMP_NE, value, 0}; }

void add_memory_rules(Rules& rules) {
  for (const char* name : {"mmap", "mmap2"}) {
    rules.add(SCMP_ACT_ALLOW, name, {masked(2, PROT_EXEC, 0)});
    rules.add(SCMP_ACT_ALLOW, name, {masked(2, PROT_WRITE | PROT_EXEC, PROT_EXEC), masked(3, MAP_ANONYMOUS, 0)});
  }
  rules.add(SCMP_ACT_ALLOW, "mprotect", {masked(2, PROT_EXEC, 0)});
}

void add_open_rules(Rules& rules) {
  // O_RDONLY|O_TRUNC empties a file that was only opened for reading; Landlock before its third version lets it.
  for (auto [name, flags] : {std::pair{"open", 1u}, std::pair{"openat", 2u}}) {
    rules.add(SCMP_ACT_ALLOW, name, {masked(flags, O_TRUNC, 0)});
    rules.add(SCMP_ACT_ALLOW, name, {masked(flags, O_TRUNC | O_ACCMODE, O_TRUNC | O_WRONLY)});
    rules.add(SCMP_ACT_ALLOW, name, {masked(flags, O_TRUNC | O_ACCMODE, O_TRUNC | O_RDWR)});
  }
}

void add_process_rules(Rules& rules, const SeccompOptions& options) {
  constexpr uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  auto path = reinterpret_cast<uint64_t>(options.exec_path);
  rules.add(SCMP_ACT_ALLOW, "execve", {equals(0, path)});
  rules.add(refuse, "execve", {differs(0, path)});
  // clone3 keeps its flags in memory, out of a filter's sight: ENOSYS, the default, makes glibc fall back on clone.
  if (options.allow_fork) rules.add(SCMP_ACT_ALLOW, "clone", {masked(0, kNamespaceFlags, 0)});
  else rules.add(SCMP_ACT_ALLOW, "clone", {masked(0, kNamespaceFlags | CLONE_THREAD, CLONE_THREAD)});
  rules.add_all(options.allow_fork ? SCMP_ACT_ALLOW : refuse, kForking);
  rules.add_all(options.allow_metadata ? SCMP_ACT_ALLOW : refuse, kMetadata);
  // 0 = the caller: another process of the same user, the server of programs above all, is out of reach.
  rules.add(SCMP_ACT_ALLOW, "prlimit64", {equals(0, 0)});
  for (uint64_t option : {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */})
    rules.add(SCMP_ACT_ALLOW, "prctl", {equals(0, option)});
}

void add_other_rules(Rules& rules) {
  rules.add(SCMP_ACT_ALLOW, "socketpair", {equals(0, AF_UNIX)});
  for (uint64_t request : {uint64_t{TCGETS}, uint64_t{FIONREAD}, uint64_t{FIONBIO}, uint64_t{FIOCLEX}, uint64_t{FIONCLEX},
                           uint64_t{TIOCGWINSZ}})
    rules.add(SCMP_ACT_ALLOW, "ioctl", {equals(1, request)});
  // Not F_SETOWN and F_SETSIG: together they send any signal to any process of the same user.
  for (uint64_t command : {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_DUPFD_CLOEXEC,
                           1031 /* F_SETPIPE_SZ */, 1032 /* F_GETPIPE_SZ */, 1034 /* F_GET_SEALS */})
    rules.add(SCMP_ACT_ALLOW, "fcntl", {equals(1, command)});
}

Result<std::vector<sock_filter>> exported(scmp_filter_ctx context) {
  UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file || seccomp_export_bpf(context, file.get()) != 0)
    return fail(ErrorKind::environment, "seccomp: the filter cannot be compiled");
  off_t size = lseek(file.get(), 0, SEEK_END);
  std::vector<sock_filter> out(static_cast<size_t>(size) / sizeof(sock_filter));
  if (pread(file.get(), out.data(), static_cast<size_t>(size), 0) != size || out.empty())
    return fail(ErrorKind::environment, "seccomp: the filter cannot be read back");
  return out;
}

}  // namespace

Result<std::vector<sock_filter>> build_seccomp_filter(const SeccompOptions& options) {
  std::unique_ptr<void, void (*)(void*)> context(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), [](void* p) { seccomp_release(p); });
  if (!context) return fail(ErrorKind::environment, "seccomp: no filter for this architecture");
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree instead of a list; older versions refuse it
  Rules rules(context.get());
  rules.add_all(SCMP_ACT_ALLOW, kAllowed);
  rules.add_all(SCMP_ACT_ERRNO(EPERM), kRefused);
  add_memory_rules(rules);
  add_open_rules(rules);
  add_process_rules(rules, options);
  add_other_rules(rules);
  if (rules.error() != 0) return fail(ErrorKind::environment, fmt::format("seccomp: {}", std::strerror(-rules.error())));
  return exported(context.get());
}

}  // namespace qeval
