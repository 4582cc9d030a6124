#include "qeval/registry/dataset_records.h"

#include "qeval/util/clock.h"
#include "qeval/util/file.h"

namespace qeval {

DataRecords::DataRecords(const std::string& cache_dir) : file_(cache_dir + "/data/sources.json") {
  if (cache_dir.empty()) return;
  if (auto text = read_file(file_))
    if (auto json = parse_json(*text); json && json->is_object()) json_ = std::move(*json);
}

std::string DataRecords::sha256(const std::string& path) const {
  return json_.contains(path) ? json_string(json_[path], "sha256") : "";
}

std::string DataRecords::source(const std::string& path) const {
  return json_.contains(path) ? json_string(json_[path], "source") : "";
}

Status DataRecords::put(const std::string& path, const std::string& sha256, const std::string& source,
                        const std::string& license) {
  json_[path] = {{"sha256", sha256}, {"source", source}, {"license", license}, {"utc", utc_iso(utc_now_ms())}};
  return write_file_atomic(file_, dump_json(json_, 1) + "\n");
}

}  // namespace qeval
