#include "qeval/task/scorer_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr const char* kIfevalParts[] = {"punkt/english", "langdetect/profiles"};

std::vector<std::string> places(const TaskSources& sources) {
  std::vector<std::string> out;
  if (!sources.data_dir.empty()) out.push_back((fs::path(sources.data_dir) / "ifeval").string());
  if (!sources.cache_dir.empty()) out.push_back((fs::path(sources.cache_dir) / "data" / "ifeval").string());
  return out;
}

bool is_complete(const std::string& folder) {
  return std::all_of(std::begin(kIfevalParts), std::end(kIfevalParts), [&](const char* part) {
    std::error_code ec;
    return fs::is_directory(fs::path(folder) / part, ec);
  });
}

}  // namespace

void find_scorer_data(TaskSpec& spec, const TaskSources& sources) {
  if (spec.scoring.scorer != "ifeval") return;
  for (const std::string& place : places(sources)) {
    if (!is_complete(place)) continue;
    spec.scoring.scorer_options["folder"] = place;
    return;
  }
}

Result<std::string> scorer_data_sha256(const TaskSpec& spec, const TaskSources& sources) {
  if (spec.scoring.scorer != "ifeval") return std::string();
  std::string folder = json_string(spec.scoring.scorer_options, "folder");
  if (folder.empty()) {
    std::string tried;
    for (const std::string& place : places(sources))
      for (const char* part : kIfevalParts) tried += fmt::format("\n  {}/{}", place, part);
    return bad_input(fmt::format("{}: the sentence model (punkt) and the language profiles (langdetect) that its checks read "
                                 "are not here. Looked for:{}\nGet them with: qeval data pull ifeval", spec.name, tried));
  }
  Sha256 all;
  for (const char* part : kIfevalParts) {
    std::vector<std::string> names;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(fs::path(folder) / part, ec)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      QEVAL_TRY(std::string hash, sha256_file((fs::path(folder) / part / name).string()));
      all.update(fmt::format("{}  {}/{}\n", hash, part, name));
    }
  }
  return all.hex();
}

}  // namespace qeval
