#include "qeval/os/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "qeval/os/unique_fd.h"

namespace qeval {
namespace {

UniqueFd open_directory(int at, const char* name) {
  return UniqueFd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Removes the plain entries of `directory`; moves the entries of each sub-directory up into it, so that a deep tree
// becomes flat and neither the stack nor the number of open files grows with its depth.
int flatten(int root, int directory, size_t& counter) {
  UniqueFd copy(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return errno;
  DIR* stream = fdopendir(copy.release());
  if (!stream) return errno;
  int error = 0;
  std::vector<std::string> names;
  while (dirent* entry = readdir(stream))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.push_back(entry->d_name);
  closedir(stream);
  for (const std::string& name : names) {
    if (unlinkat(directory, name.c_str(), 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) {
      error = errno;
      continue;
    }
    if (unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) continue;
    fchmodat(directory, name.c_str(), 0700, 0);
    if (directory == root) continue;  // emptied by the caller
    std::string target = fmt::format(".qeval-remove-{}", counter++);
    if (renameat(directory, name.c_str(), root, target.c_str()) != 0) error = errno;
  }
  return error;
}

}  // namespace

Status remove_tree(const std::string& directory, bool keep_root) {
  auto failed = [&](int error) {
    return fail(ErrorKind::environment, fmt::format("{}: cannot be removed: {}", directory, std::strerror(error)));
  };
  UniqueFd root = open_directory(AT_FDCWD, directory.c_str());
  if (!root) return errno == ENOENT ? Status{} : Status(failed(errno));
  fchmod(root.get(), 0700);
  size_t counter = 0;
  for (;;) {
    int error = flatten(root.get(), root.get(), counter);
    UniqueFd copy(openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR* stream = copy ? fdopendir(copy.release()) : nullptr;
    if (!stream) return failed(errno);
    std::vector<std::string> folders;
    while (dirent* entry = readdir(stream))
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) folders.push_back(entry->d_name);
    closedir(stream);
    if (folders.empty()) break;
    bool progress = false;
    for (const std::string& name : folders) {
      UniqueFd folder = open_directory(root.get(), name.c_str());
      if (!folder) {
        error = errno;
        continue;
      }
      if (int e = flatten(root.get(), folder.get(), counter)) error = e;
      progress |= unlinkat(root.get(), name.c_str(), AT_REMOVEDIR) == 0;
    }
    if (!progress) return failed(error ? error : EIO);
  }
  if (!keep_root && rmdir(directory.c_str()) != 0) return failed(errno);
  return {};
}

Result<TempDir> TempDir::create(const std::string& prefix) {
  const char* base = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/{}-XXXXXX", base && *base ? base : "/tmp", prefix);
  if (!mkdtemp(path.data()))
    return fail(ErrorKind::environment, fmt::format("{}: cannot create a temporary folder: {}", path, std::strerror(errno)));
  TempDir out;
  out.path_ = std::move(path);
  return out;
}

TempDir::~TempDir() {
  if (!path_.empty()) (void)remove_tree(path_);
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

std::string TempDir::release() { return std::exchange(path_, {}); }

}  // namespace qeval
