#include "qeval/sandbox/isolate.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace qeval {
namespace {

// linux/mount.h, linux/landlock.h: newer than Debian 12's headers, older than its kernels.
struct MountAttributes {
  uint64_t set, clear, propagation, user_namespace;
};
constexpr uint64_t kReadOnly = 1, kNoSuid = 2, kNoDev = 4;
struct LandlockRuleset {
  uint64_t files, network, scoped;
};
constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3;
constexpr uint64_t kRefer = 1 << 13, kTruncate = 1 << 14, kIoctl = 1 << 15;
constexpr uint64_t kFirstVersion = (uint64_t{1} << 13) - 1;

bool set_mount_attributes(const char* path, uint64_t attributes, bool recursive) {
  MountAttributes set{attributes, 0, 0, 0};
  long at_recursive = recursive ? 0x8000 : 0;
  return syscall(442 /* mount_setattr */, AT_FDCWD, path, at_recursive, &set, sizeof set) == 0;
}

bool write_file_at_once(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  auto size = static_cast<ssize_t>(strlen(text));
  bool ok = write(fd, text, static_cast<size_t>(size)) == size;
  close(fd);
  return ok;
}

bool make_folder(const char* path) { return mkdir(path, 0755) == 0 || errno == EEXIST; }

bool bind(const BindMount& mount_plan) {
  for (const std::string& parent : mount_plan.parents)
    if (!make_folder(parent.c_str())) return child_failed("mkdir");
  const char* target = mount_plan.target.c_str();
  if (mount_plan.is_folder && !make_folder(target)) return child_failed("mkdir");
  if (!mount_plan.is_folder) {
    int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return child_failed("create");
    close(fd);
  }
  if (mount(mount_plan.source.c_str(), target, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    child_failed(mount_plan.source.c_str());
    return child_failed("bind mount");
  }
  bool device = mount_plan.target.rfind("dev/", 0) == 0;
  if (!set_mount_attributes(target, kReadOnly | kNoSuid | (device ? 0 : kNoDev), true)) return child_failed("mount_setattr");
  return true;
}

bool add_rule(int ruleset, const char* path, uint64_t access) {
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access;
  rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
  if (rule.parent_fd < 0) return errno == ENOENT;
  bool ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  close(rule.parent_fd);
  return ok;
}

bool is_folder(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

bool child_failed(const char* step) {
  int error = errno;
  char digits[16];
  int n = 0;
  do digits[n++] = static_cast<char>('0' + error % 10);
  while ((error /= 10) > 0 && n < 15);
  [[maybe_unused]] ssize_t ignored = write(2, step, strlen(step));
  ignored = write(2, ": error ", 8);
  while (n > 0) ignored = write(2, &digits[--n], 1);
  ignored = write(2, "\n", 1);
  return false;
}

bool write_id_maps(const IdMap& map) {
  if (map.uid_map.empty()) return true;
  if (!write_file_at_once("/proc/self/setgroups", "deny")) return child_failed("setgroups");
  if (!write_file_at_once("/proc/self/uid_map", map.uid_map.c_str())) return child_failed("uid_map");
  if (!write_file_at_once("/proc/self/gid_map", map.gid_map.c_str())) return child_failed("gid_map");
  return true;
}

bool enter_private_root(const MountPlan& plan) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return child_failed("private mounts");
  // The old root moves below a small tmpfs, so that sources anywhere, under /tmp too, stay reachable.
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") != 0) return child_failed("tmpfs");
  if (chdir("/tmp") != 0 || !make_folder("oldroot") || !make_folder("newroot")) return child_failed("roots");
  if (syscall(SYS_pivot_root, ".", "oldroot") != 0) return child_failed("pivot_root");
  if (mount("tmpfs", "/newroot", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755") != 0) return child_failed("tmpfs");
  if (chdir("/newroot") != 0) return child_failed("chdir");
  for (const BindMount& mount_plan : plan.binds)
    if (!bind(mount_plan)) return false;
  for (const std::string& parent : plan.link_parents)
    if (!make_folder(parent.c_str())) return child_failed("mkdir");
  for (const auto& [path, target] : plan.links)
    if (symlink(target.c_str(), path.c_str()) != 0 && errno != EEXIST) return child_failed("symlink");
  if (!make_folder("tmp")) return child_failed("mkdir");
  if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, plan.tmp_options.c_str()) != 0) return child_failed("tmpfs");
  if (umount2("/oldroot", MNT_DETACH) != 0) return child_failed("umount");
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) return child_failed("pivot_root");
  if (!set_mount_attributes("/", kReadOnly | kNoSuid | kNoDev, false)) return child_failed("read-only root");
  return chdir("/tmp") == 0 || child_failed("chdir");
}

int landlock_version() {
  long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

bool restrict_files(const std::vector<std::string>& readable, const std::vector<std::string>& devices, const char* writable) {
  int version = landlock_version();
  if (version == 0) return child_failed("landlock");
  LandlockRuleset rules{kFirstVersion, 0, 0};
  if (version >= 2) rules.files |= kRefer;
  if (version >= 3) rules.files |= kTruncate;
  if (version >= 5) rules.files |= kIoctl;
  if (version >= 4) rules.network = 3;  // bind and connect TCP
  if (version >= 6) rules.scoped = 3;   // abstract sockets, signals
  size_t size = version >= 6 ? sizeof rules : version >= 4 ? 16 : 8;
  int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &rules, size, 0));
  if (ruleset < 0) return child_failed("landlock_create_ruleset");
  for (const std::string& path : readable) {
    uint64_t access = kExecute | kReadFile | (is_folder(path.c_str()) ? kReadDir : 0);
    if (!add_rule(ruleset, path.c_str(), access)) return child_failed(path.c_str());
  }
  for (const std::string& path : devices)
    if (!add_rule(ruleset, path.c_str(), kReadFile | kWriteFile)) return child_failed(path.c_str());
  constexpr uint64_t specials = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11;  // devices, sockets, pipes
  if (!add_rule(ruleset, writable, rules.files & ~(specials | kExecute | kIoctl))) return child_failed(writable);
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return child_failed("landlock_restrict_self");
  close(ruleset);
  return true;
}

bool drop_privileges(bool is_root, uid_t user) {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // refused to ordinary users, who have none to drop
  if (is_root) {
    // Not the libc functions: those would also change the other threads, which this process no longer has.
    if (syscall(SYS_setgroups, 0, nullptr) != 0) return child_failed("setgroups");
    if (syscall(SYS_setresgid, user, user, user) != 0) return child_failed("setresgid");
    if (syscall(SYS_setresuid, user, user, user) != 0) return child_failed("setresuid");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall(SYS_capset, &header, none) != 0) return child_failed("capset");
  return true;
}

}  // namespace qeval
