#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// A YAML file of the shipped tasks (path "tasks/…") or of a user's folder.
struct YamlFile {
  std::string path;
  bool shipped = false;
};

// Where a key of a merged configuration was written.
struct Origin {
  std::string file;
  int line = 0;
  std::string text() const;  // "file:line"
};

// One YAML file with its includes merged in: the including file's keys win, key by key, as lm-eval does.
// `!function utils.f` stands as {"!function": "folder/utils.f"} where qeval knows that Python module, else as
// {"!function": "utils.f", "reason": why it cannot run}.
struct MergedConfig {
  YamlFile file;
  Json config = Json::object();
  std::map<std::string, Origin> origins;

  // bad_input: "file:line: key: message".
  Error wrong(const std::string& key, const std::string& message) const;
};

// Reads and merges. Not found, broken or cyclic: bad_input naming the file.
Result<std::shared_ptr<const MergedConfig>> load_merged(const YamlFile& file);

// The text of a file, from the binary or the disk.
Result<std::string> read_yaml_text(const YamlFile& file);

// Name of the C++ hook that `value` ({"!function": …}) stands for. Error: why it has none.
bool is_hook(const Json& value);
Result<std::string> hook_of(const MergedConfig& merged, const std::string& key, const Json& value);

}  // namespace qeval
