#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "qeval/net/row_service.h"
#include "qeval/task/dataset.h"
#include "qeval/task/rows.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHub = "https://huggingface.co";

Result<Json> get_json(const HttpGet& get, const std::string& url) {
  auto body = get(url);
  if (!body) return fail(body.error().in(url));
  auto json = parse_json(*body);
  if (!json) return fail(json.error().in(url));
  return json;
}

// The configuration where the task names none: the only one, or "default".
Result<std::string> config_of(const DatasetSpec& dataset, const std::string& endpoint, const HttpGet& get) {
  if (!dataset.name.empty()) return dataset.name;
  QEVAL_TRY(Json answer, get_json(get, fmt::format("{}/splits?dataset={}", endpoint, url_escape(dataset.path))));
  std::vector<std::string> names;
  if (answer.contains("splits") && answer["splits"].is_array())
    for (const Json& entry : answer["splits"]) {
      std::string name = json_string(entry, "config");
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  if (names.size() == 1) return names[0];
  if (std::find(names.begin(), names.end(), "default") != names.end()) return std::string("default");
  return bad_input(fmt::format("{} has the configurations {}: dataset_name must name one", dataset.path, fmt::join(names, ", ")));
}

Result<std::string> rows_service(const DatasetSpec& dataset, const std::string& split, const HttpGet& get) {
  RowQuery query;
  query.dataset = dataset.path;
  query.split = split;
  QEVAL_TRY(query.config, config_of(dataset, query.endpoint, get));
  return fetch_rows_as_jsonl(query, nullptr, get);
}

// A JSON or CSV file of the repository that is named after the split, in the configuration's folder or at the top.
Result<std::string> repository_file(const DatasetSpec& dataset, const std::string& split, const HttpGet& get) {
  QEVAL_TRY(Json info, get_json(get, fmt::format("{}/api/datasets/{}", kHub, dataset.path)));
  std::string parquet;
  std::vector<std::string> found;
  if (info.contains("siblings") && info["siblings"].is_array())
    for (const Json& entry : info["siblings"]) {
      std::string file = json_string(entry, "rfilename");
      std::string stem = fs::path(file).filename().string();
      stem = stem.substr(0, stem.find('.'));
      if (file.ends_with(".parquet") && stem.starts_with(split)) parquet = file;
      bool readable = false;
      for (const char* ending : {".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz"}) readable = readable || file.ends_with(ending);
      bool in_config = dataset.name.empty() || file.find(dataset.name) != std::string::npos;
      if (readable && stem == split && in_config) found.push_back(file);
    }
  if (found.size() == 1) return found[0];
  if (found.size() > 1) return bad_input(fmt::format("{} has several files for '{}': {}; name one in dataset_kwargs: data_files", dataset.path, split, fmt::join(found, ", ")));
  if (!parquet.empty()) return fail(parquet_error(parquet));
  return bad_input(fmt::format("{} has no JSON or CSV file for the split '{}'", dataset.path, split));
}

Result<std::string> repository_rows(const DatasetSpec& dataset, const std::string& split, const HttpGet& get) {
  QEVAL_TRY(std::string file, repository_file(dataset, split, get));
  std::string url = fmt::format("{}/datasets/{}/resolve/{}/{}", kHub, dataset.path, json_string(dataset.kwargs, "revision", "main"), file);
  auto body = get(url);
  if (!body) return fail(body.error().in(url));
  QEVAL_TRY(auto rows, parse_rows(*body, file, RowOptions{}));
  std::string text;
  for (const Json& row : rows) text += dump_json(row) + "\n";
  return text;
}

fs::path cached_file(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources) {
  std::string folder = dataset.path;
  std::replace(folder.begin(), folder.end(), '/', '-');
  return fs::path(sources.cache_dir) / "data" / "hub" / folder / (dataset.name.empty() ? "default" : dataset.name) / (split + ".jsonl");
}

bool plain_name(const std::string& text) {
  return !text.empty() && text.find("..") == std::string::npos &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; });
}

Result<Split> read_cached(const std::string& file) {
  Split out;
  QEVAL_TRY(std::string bytes, read_file(file));
  QEVAL_TRY(out.rows, parse_jsonl(bytes, file));
  out.sha256 = sha256_hex(bytes);
  out.source = file + " (from the hub)";
  return out;
}

}  // namespace

Result<Split> load_hub_split(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get) {
  if (!plain_name(dataset.path) || !plain_name(split) || (!dataset.name.empty() && !plain_name(dataset.name)) || dataset.path[0] == '/' || split.find('/') != std::string::npos)
    return bad_input(fmt::format("{} is no name of a data set there", dataset.path));
  std::string kept = sources.cache_dir.empty() ? "" : cached_file(dataset, split, sources).string();
  if (!kept.empty() && file_exists(kept)) return read_cached(kept);
  if (sources.offline || !get) return fail(ErrorKind::bad_input, "not asked (offline)");
  if (kept.empty()) return fail(ErrorKind::environment, "no cache folder to keep downloaded data in");
  auto rows = rows_service(dataset, split, get);
  if (!rows && rows.error().kind != ErrorKind::unavailable) {
    auto files = repository_rows(dataset, split, get);
    if (!files) return fail(files.error().kind, fmt::format("{}\n  {}", rows.error().message, files.error().message));
    rows = std::move(files);
  }
  if (!rows) return fail(rows.error());
  QEVAL_CHECK(make_directories(fs::path(kept).parent_path().string()));
  QEVAL_CHECK(write_file_atomic(kept, *rows));
  return read_cached(kept);
}

}  // namespace qeval
