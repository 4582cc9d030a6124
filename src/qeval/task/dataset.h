#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/task/config.h"
#include "qeval/task/task.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// A blocking GET. Errors of kind not_found: the server answered 404; unavailable: it could not be reached.
using HttpGet = std::function<Result<std::string>(const std::string& url)>;

// What a task says of its data.
struct DatasetSpec {
  std::string path;        // hub id, json, csv, a folder, or synthetic
  std::string name;        // configuration, "" = default
  Json kwargs;             // data_files …
  YamlFile yaml;           // relative file names are looked for beside it
};

struct Split {
  std::vector<Json> rows;
  std::string source;      // file or address, and what was done to it
  std::string sha256;      // of the bytes read; of several files: of their hashes, one a line
};

// Reads one split: from data_dir, then the user's cache, each in the original's layout (tasks/_datasets.yaml) or as
// <dataset>/[<name>/]<split>.jsonl|json|csv[.gz], then from the hub, whose answer is kept in the cache. `get` may be
// null (no network). Error (bad_input): what was looked for where, and how to get it.
Result<Split> load_split(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get);

// The hub part, also used alone: JSON row service, else JSON or CSV files of the repository.
Result<Split> load_hub_split(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get);
// Files that the task names itself (dataset_path json or csv, or data_files).
Result<Split> load_data_files(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get);
bool names_data_files(const DatasetSpec& dataset);

// Brings rows of the original's layout into the hub's: `how` is arc, piqa, mmlu, truthfulqa or hellaswag.
// Rows that have the hub's fields already stay as they are. `context`: subject of an mmlu file.
Result<std::vector<Json>> convert_rows(const std::string& how, std::vector<Json> rows, const std::string& context);

// The one place where the network is wired in.
HttpGet network_get(const TaskSources& sources);

}  // namespace qeval
