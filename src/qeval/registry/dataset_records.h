#pragma once

#include <string>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// cache_dir/data/sources.json: {"<path>": {"sha256", "source", "license", "utc"}}, what pull downloaded.
class DataRecords {
 public:
  explicit DataRecords(const std::string& cache_dir);
  std::string sha256(const std::string& path) const;  // "" = never downloaded
  std::string source(const std::string& path) const;
  // Written at once, all or nothing.
  Status put(const std::string& path, const std::string& sha256, const std::string& source, const std::string& license);

 private:
  std::string file_;
  Json json_ = Json::object();
};

// SHA-256 of a file, or over "<hash>  <name>\n" of the sorted files of a folder (path ends in '/').
Result<std::string> data_sha256(const std::string& path);

}  // namespace qeval
