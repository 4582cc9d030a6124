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

// Removes entries of `directory` up to the first folder that is not empty. Its name, or "" when nothing is left.
Result<std::string> remove_entries(int directory) {
  DIR* stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!stream) return fail(ErrorKind::environment, std::strerror(errno));
  std::string folder, error;
  bool any = false;
  while (dirent* entry = readdir(stream)) {
    const char* name = entry->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    any = true;
    if (unlinkat(directory, name, 0) == 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0) continue;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == EACCES) folder = name;
    else error = std::strerror(errno);
    break;
  }
  closedir(stream);
  if (!error.empty()) return fail(ErrorKind::environment, error);
  // A stream may miss entries while others go: only an empty pass is the end.
  if (folder.empty() && any) return remove_entries(directory);
  return folder;
}

}  // namespace

Status remove_tree(const std::string& directory, bool keep_root) {
  auto failed = [&](const std::string& why) {
    return fail(ErrorKind::environment, fmt::format("{}: cannot be removed: {}", directory, why));
  };
  UniqueFd current = open_directory(AT_FDCWD, directory.c_str());
  if (!current) return errno == ENOENT ? Status{} : Status(failed(std::strerror(errno)));
  fchmod(current.get(), 0700);
  std::vector<std::string> path;  // from `directory` down to `current`
  for (;;) {
    auto folder = remove_entries(current.get());
    if (!folder) return failed(folder.error().message);
    if (!folder->empty()) {
      fchmodat(current.get(), folder->c_str(), 0700, 0);
      current = open_directory(current.get(), folder->c_str());
      if (!current) return failed(std::strerror(errno));
      path.push_back(*folder);
      continue;
    }
    if (path.empty()) break;
    current = open_directory(current.get(), "..");
    if (!current || unlinkat(current.get(), path.back().c_str(), AT_REMOVEDIR) != 0) return failed(std::strerror(errno));
    path.pop_back();
  }
  if (!keep_root && rmdir(directory.c_str()) != 0) return failed(std::strerror(errno));
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
