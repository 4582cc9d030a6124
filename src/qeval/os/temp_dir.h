#pragma once

#include <string>

#include "qeval/util/result.h"

namespace qeval {

// A private folder (mode 0700) that is removed with everything in it when the object goes. Movable.
class TempDir {
 public:
  // Under $TMPDIR or /tmp: PREFIX-XXXXXX.
  static Result<TempDir> create(const std::string& prefix);
  ~TempDir();
  TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempDir& operator=(TempDir&& other) noexcept;
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace qeval
