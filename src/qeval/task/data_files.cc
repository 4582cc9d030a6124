#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "qeval/task/dataset.h"
#include "qeval/task/rows.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

bool is_builder(const std::string& path) { return path == "json" || path == "csv"; }
bool is_address(const std::string& file) { return file.starts_with("http://") || file.starts_with("https://"); }

Result<RowOptions> options_of(const Json& kwargs) {
  RowOptions options;
  options.field = json_string(kwargs, "field");
  std::string delimiter = json_string(kwargs, "delimiter", json_string(kwargs, "sep", ","));
  if (delimiter.size() != 1) return bad_input("dataset_kwargs: delimiter: one character was expected");
  options.delimiter = delimiter[0];
  if (kwargs.contains("column_names") && kwargs["column_names"].is_array())
    for (const Json& name : kwargs["column_names"]) {
      if (!name.is_string()) return bad_input("dataset_kwargs: column_names: a list of names was expected");
      options.column_names.push_back(name.get<std::string>());
    }
  // pandas: the first line is the header, unless names are given or the header is said to be none.
  options.has_header = options.column_names.empty();
  if (kwargs.contains("header")) {
    const Json& header = kwargs["header"];
    if (header.is_null()) options.has_header = false;
    else if (header == 0) options.has_header = true;
    else if (header != "infer") return bad_input("dataset_kwargs: header: 0 or null was expected");
  }
  return options;
}

// The files that `data_files` gives for the split: a text or list is the split "train", a mapping names splits.
Result<std::vector<std::string>> files_of(const Json& given, const std::string& split) {
  Json list = given;
  if (given.is_object()) {
    if (!given.contains(split)) return bad_input(fmt::format("dataset_kwargs: data_files has no split '{}'", split));
    list = given[split];
  } else if (split != "train") {
    return bad_input(fmt::format("dataset_kwargs: data_files without split names gives the split 'train', not '{}'", split));
  }
  if (list.is_string()) list = Json::array({list});
  std::vector<std::string> out;
  for (const Json& file : list) {
    if (!file.is_string()) return bad_input("dataset_kwargs: data_files: file names were expected");
    out.push_back(file.get<std::string>());
  }
  if (out.empty()) return bad_input("dataset_kwargs: data_files is empty");
  return out;
}

// Beside the YAML first, then below data_dir, then as the shell would take it.
Result<std::string> find_file(const DatasetSpec& dataset, const std::string& file, const TaskSources& sources) {
  fs::path path = fs::path(json_string(dataset.kwargs, "data_dir")) / file;
  std::vector<fs::path> places;
  if (path.is_absolute()) {
    places = {path};
  } else {
    if (!dataset.yaml.shipped) places.push_back(fs::path(dataset.yaml.path).parent_path() / path);
    if (!sources.data_dir.empty()) places.push_back(fs::path(sources.data_dir) / path);
    places.push_back(path);
  }
  std::string tried;
  for (const fs::path& place : places) {
    std::error_code ec;
    if (fs::is_regular_file(place, ec)) return place.lexically_normal().string();
    tried += "\n  " + place.lexically_normal().string();
  }
  return bad_input(fmt::format("dataset_kwargs: data_files: {} does not exist. Looked for:{}", file, tried));
}

std::string address_of(const DatasetSpec& dataset, const std::string& file) {
  if (is_address(file)) return file;
  if (is_builder(dataset.path)) return "";
  return fmt::format("https://huggingface.co/datasets/{}/resolve/{}/{}", dataset.path,
                     json_string(dataset.kwargs, "revision", "main"), file);
}

// Fetched once, kept under the address's hash.
Result<std::string> fetched(const std::string& address, const TaskSources& sources, const HttpGet& get) {
  std::string name = address.substr(address.rfind('/') + 1);
  name = name.substr(0, name.find_first_of("?#"));
  std::string kept = (fs::path(sources.cache_dir) / "data" / "files" / sha256_hex(address).substr(0, 16) / name).string();
  if (!sources.cache_dir.empty() && file_exists(kept)) return kept;
  if (sources.offline || !get) return fail(ErrorKind::unavailable, fmt::format("{}: not in the cache, and offline", address));
  if (sources.cache_dir.empty()) return fail(ErrorKind::environment, "no cache folder to keep downloaded data in");
  auto bytes = get(address);
  if (!bytes) return fail(bytes.error().in(address));
  QEVAL_CHECK(make_directories(fs::path(kept).parent_path().string()));
  QEVAL_CHECK(write_file_atomic(kept, *bytes));
  return kept;
}

}  // namespace

bool names_data_files(const DatasetSpec& dataset) {
  return is_builder(dataset.path) || (dataset.kwargs.contains("data_files") && !dataset.kwargs["data_files"].is_null());
}

Result<Split> load_data_files(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get) {
  if (!dataset.kwargs.contains("data_files")) return bad_input("dataset_kwargs: data_files is missing");
  QEVAL_TRY(std::vector<std::string> files, files_of(dataset.kwargs["data_files"], split));
  QEVAL_TRY(RowOptions options, options_of(dataset.kwargs));
  Split out;
  std::string hashes, hash;
  for (const std::string& file : files) {
    std::string address = address_of(dataset, file);
    QEVAL_TRY(std::string path, address.empty() ? find_file(dataset, file, sources) : fetched(address, sources, get));
    QEVAL_TRY(std::string bytes, read_file_maybe_gzip(path));
    // The builder decides the format, not the ending: datasets reads data.txt as JSON lines where told so.
    auto rows = dataset.path == "csv" ? parse_csv(bytes, path, options) : parse_rows(bytes, path, options);
    if (!rows) return fail(rows.error());
    std::move(rows->begin(), rows->end(), std::back_inserter(out.rows));
    QEVAL_TRY(hash, sha256_file(path));
    hashes += hash + "\n";
    out.source += (out.source.empty() ? "" : ", ") + (address.empty() ? path : address);
  }
  unify_columns(out.rows);
  out.sha256 = files.size() == 1 ? hash : sha256_hex(hashes);
  return out;
}

}  // namespace qeval
