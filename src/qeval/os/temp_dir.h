#pragma once

#include <string>

#include "qeval/util/result.h"

namespace qeval {

// A fresh directory (mode 0700) under $TMPDIR or /tmp, removed with everything in it on destruction. Move-only.
class TempDir {
 public:
  TempDir() = default;  // holds nothing
  // Error (environment): names the folder and the system's reason.
  static Result<TempDir> create(const std::string& prefix);
  ~TempDir();
  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&& other) noexcept;
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Leaves the directory on disk; returns its path.
  std::string release();

 private:
  std::string path_;
};

// Removes what is in `directory`, and the directory itself unless `keep_root`. Never follows symbolic links, and a tree of
// any depth goes. Nobody else may change it meanwhile. Error (environment): why it could not go.
Status remove_tree(const std::string& directory, bool keep_root = false);

}  // namespace qeval
