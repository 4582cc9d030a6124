#include "qeval/task/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "qeval/agent/tasks.h"
#include "qeval/synth/synth.h"
#include "qeval/task/rows.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr const char* kEndings[] = {".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz"};

// tasks/_datasets.yaml: per dataset and configuration the folder, the files of each split, and how their rows become
// the hub's.
Result<Json> catalogue_entry(const DatasetSpec& dataset) {
  static const Result<Json> catalogue = [] {
    auto text = find_asset("tasks/_datasets.yaml");
    if (!text) return Result<Json>(Json::object());
    return parse_yaml(*text, "tasks/_datasets.yaml");
  }();
  if (!catalogue) return fail(catalogue.error());
  if (!catalogue->contains(dataset.path)) return Json(nullptr);
  const Json& configs = (*catalogue)[dataset.path];
  std::string name = dataset.name.empty() ? "default" : dataset.name;
  if (configs.contains(name)) return configs[name];
  return configs.contains("*") ? configs["*"] : Json(nullptr);
}

std::string with_name(std::string pattern, const std::string& name) {
  size_t at = pattern.find("{name}");
  return at == std::string::npos ? pattern : pattern.replace(at, 6, name);
}

// Files in `folder` whose name is `pattern`, which may hold one '*'; sorted. Also with .gz.
std::vector<std::string> matching(const fs::path& folder, const std::string& pattern) {
  std::vector<std::string> out;
  std::error_code ec;
  if (pattern.find('*') == std::string::npos) {
    for (const char* ending : {"", ".gz"})
      if (fs::is_regular_file(folder / (pattern + ending), ec)) return {(folder / (pattern + ending)).string()};
    return out;
  }
  fs::path full = folder / pattern;
  std::string name = full.filename().string();
  size_t star = name.find('*');
  std::string before = name.substr(0, star), after = name.substr(star + 1);
  for (const auto& entry : fs::directory_iterator(full.parent_path(), ec)) {
    std::string file = entry.path().filename().string();
    if (file.size() >= before.size() + after.size() && file.starts_with(before) && file.ends_with(after)) out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<Json>> add_labels(std::vector<Json> rows, const std::string& file, Sha256& hash) {
  QEVAL_TRY(std::string text, read_file_maybe_gzip(file));
  hash.update(sha256_hex(text) + "\n");
  size_t at = 0, line = 0;
  for (Json& row : rows) {
    ++line;
    if (row.contains("label")) continue;
    size_t end = std::min(text.find('\n', at), text.size());
    std::string label = text.substr(at, end - at);
    if (!label.empty() && label.back() == '\r') label.pop_back();
    if (label != "0" && label != "1") return bad_input(fmt::format("{}:{}: 0 or 1 was expected, not \"{}\"", file, line, label.substr(0, 40)));
    row["label"] = label[0] - '0';
    at = std::min(end + 1, text.size());
  }
  return rows;
}

// Columns of a second file's rows, aligned by index, beside the first one's; the first one's stay.
Status join_rows(std::vector<Json>& rows, const fs::path& folder, const Json& patterns, const std::string& name, Sha256& hash) {
  for (const Json& pattern : patterns.is_array() ? patterns : Json::array({patterns})) {
    std::vector<std::string> files = matching(folder, with_name(pattern.get<std::string>(), name));
    if (files.empty()) continue;
    QEVAL_TRY(std::string text, read_file_maybe_gzip(files[0]));
    hash.update(sha256_hex(text) + "\n");
    QEVAL_TRY(std::vector<Json> more, parse_rows(text, files[0], RowOptions{}));
    if (more.size() != rows.size())
      return bad_input(fmt::format("{}: has {} rows, {} were expected: they stand beside each other", files[0], more.size(), rows.size()));
    for (size_t i = 0; i < rows.size(); ++i)
      for (auto& [key, value] : more[i].items())
        if (!rows[i].contains(key)) rows[i][key] = value;
    return {};
  }
  return bad_input(fmt::format("{}: the file that stands beside it is missing: {}", folder.string(), dump_json(patterns)));
}

// Adds to each row the one of another file that has the same value in a field, whole, as a further field.
Status join_by_value(std::vector<Json>& rows, const Json& rule, const fs::path& folder, Sha256& hash) {
  std::string file = (folder / json_string(rule, "file")).string(), on = json_string(rule, "by"), as = json_string(rule, "as");
  if (!file_exists(file)) return bad_input(fmt::format("{} is missing", file));
  QEVAL_TRY(std::string text, read_file_maybe_gzip(file));
  hash.update(sha256_hex(text) + "\n");
  QEVAL_TRY(std::vector<Json> others, parse_rows(text, file, RowOptions{}));
  std::unordered_map<std::string, const Json*> by_value;
  for (const Json& other : others)
    if (other.contains(on)) by_value[dump_json(other[on])] = &other;
  for (Json& row : rows) {
    auto found = row.contains(on) ? by_value.find(dump_json(row[on])) : by_value.end();
    row[as] = found == by_value.end() ? Json() : *found->second;
  }
  return {};
}

// Adds to each row, as one list, the rows of the files that a list in one of its fields names.
Status gather_rows(std::vector<Json>& rows, const Json& rule, const fs::path& folder, Sha256& hash) {
  std::unordered_map<std::string, Json> read;
  const std::string by = json_string(rule, "by"), as = json_string(rule, "as");
  auto rows_of = [&](const std::string& name) -> Result<const Json*> {
    if (auto known = read.find(name); known != read.end()) return &known->second;
    const std::string file = json_string(rule["files"], name);
    if (file.empty()) return bad_input(fmt::format("{}: '{}': no file is known for it", by, name));
    std::string found;
    for (const Json& place : rule["folders"])
      if (std::string path = (folder / place.get<std::string>() / file).string(); found.empty() && file_exists(path)) found = path;
    if (found.empty()) return bad_input(fmt::format("{} is missing in {}", file, (folder / rule["folders"][0].get<std::string>()).string()));
    QEVAL_TRY(std::string text, read_file_maybe_gzip(found));
    hash.update(sha256_hex(text) + "\n");
    QEVAL_TRY(std::vector<Json> list, parse_rows(text, found, RowOptions{}));
    return &(read[name] = Json(list));
  };
  for (Json& row : rows) {
    Json all = Json::array();
    for (const Json& name : row.value(by, Json::array())) {
      QEVAL_TRY(const Json* list, rows_of(name.is_string() ? name.get<std::string>() : dump_json(name)));
      for (const Json& item : *list) all.push_back(item);
    }
    row[as] = std::move(all);
  }
  return {};
}

Result<std::vector<Json>> keep_rows(std::vector<Json> rows, const Json& rule, const std::string& file) {
  std::string field = json_string(rule, "field");
  int64_t from = json_int(rule, "from"), to = json_int(rule, "to");
  std::vector<Json> kept;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].contains(field) || !rows[i][field].is_number_integer())
      return bad_input(fmt::format("{}: document {} has no whole number in '{}'", file, i, field));
    int64_t value = rows[i][field].get<int64_t>();
    if (value >= from && value <= to) kept.push_back(std::move(rows[i]));
  }
  return kept;
}

void order_columns(std::vector<Json>& rows, const Json& columns) {
  for (Json& row : rows) {
    Json out = Json::object();
    for (const Json& column : columns)
      if (row.contains(column.get<std::string>())) out[column.get<std::string>()] = std::move(row[column.get<std::string>()]);
    row = std::move(out);
  }
}

// "auxiliary/anatomy_test.csv" with the pattern "auxiliary/*_test.csv": what stands for '*' or {name}.
std::string subject_of(const std::string& file, const std::string& pattern, const std::string& name) {
  if (pattern.find('*') == std::string::npos) return name;
  std::string stem = fs::path(file).filename().string(), form = fs::path(pattern).filename().string();
  size_t star = form.find('*');
  return stem.substr(star, stem.size() - (form.size() - 1));
}

RowOptions row_options(const Json& entry) {
  RowOptions options;
  if (entry.contains("header")) {
    options.has_header = false;
    options.infer_types = false;
    for (const Json& column : entry["header"]) options.column_names.push_back(column.get<std::string>());
  }
  return options;
}

Result<Split> read_catalogued(const fs::path& folder, const Json& entry, const DatasetSpec& dataset, const std::string& split,
                              const std::vector<std::string>& files, const std::string& pattern) {
  Split out;
  std::string convert = json_string(entry, "convert"), hash;
  Sha256 all;
  for (const std::string& file : files) {
    QEVAL_TRY(std::string bytes, read_file_maybe_gzip(file));
    QEVAL_TRY(hash, sha256_file(file));
    all.update(hash + "\n");
    QEVAL_TRY(std::vector<Json> rows, parse_rows(bytes, file, row_options(entry)));
    if (entry.contains("labels") && entry["labels"].contains(split)) {
      std::string labels = (folder / json_string(entry["labels"], split)).string();
      if (std::any_of(rows.begin(), rows.end(), [](const Json& row) { return !row.contains("label"); })) {
        QEVAL_TRY(rows, add_labels(std::move(rows), labels, all));
      }
    }
    if (entry.contains("beside") && entry["beside"].contains(split)) {
      QEVAL_CHECK(join_rows(rows, folder, entry["beside"][split], dataset.name, all));
    }
    if (entry.contains("gather")) QEVAL_CHECK(gather_rows(rows, entry["gather"], folder, all));
    if (entry.contains("join")) QEVAL_CHECK(join_by_value(rows, entry["join"], folder, all));
    if (!convert.empty()) {
      auto converted = convert_rows(convert, std::move(rows), subject_of(file, pattern, dataset.name));
      if (!converted) return fail(converted.error().in(file));
      rows = std::move(*converted);
    }
    if (entry.contains("rows") && entry["rows"].contains(split)) {
      QEVAL_TRY(rows, keep_rows(std::move(rows), entry["rows"][split], file));
    }
    if (entry.contains("columns")) order_columns(rows, entry["columns"]);
    std::move(rows.begin(), rows.end(), std::back_inserter(out.rows));
  }
  out.source = files.size() == 1 ? files[0] : fmt::format("{} ({} files)", (folder / pattern).string(), files.size());
  bool one_file = files.size() == 1 && !entry.contains("labels") && !entry.contains("beside") && !entry.contains("join") && !entry.contains("gather");
  out.sha256 = one_file ? hash : all.hex();
  return out;
}

Result<std::optional<Split>> from_catalogue(const fs::path& root, const Json& entry, const DatasetSpec& dataset,
                                            const std::string& split, std::vector<std::string>& tried) {
  if (!entry.is_object() || !entry.contains("splits") || !entry["splits"].contains(split)) return std::optional<Split>();
  fs::path folder = root / json_string(entry, "folder");
  Json patterns = entry["splits"][split];
  if (!patterns.is_array()) patterns = Json::array({patterns});
  for (const Json& given : patterns) {
    std::string pattern = with_name(given.get<std::string>(), dataset.name);
    std::vector<std::string> files = matching(folder, pattern);
    if (files.empty()) {
      tried.push_back((folder / pattern).string());
      continue;
    }
    QEVAL_TRY(Split read, read_catalogued(folder, entry, dataset, split, files, pattern));
    return std::optional<Split>(std::move(read));
  }
  return std::optional<Split>();
}

Result<std::optional<Split>> from_convention(const fs::path& root, const DatasetSpec& dataset, const std::string& split,
                                             std::vector<std::string>& tried) {
  std::error_code ec;
  if (dataset.path.find("..") != std::string::npos || split.find('/') != std::string::npos || dataset.name.find("..") != std::string::npos)
    return std::optional<Split>();
  for (const fs::path& base : {root / dataset.path, root / fs::path(dataset.path).filename()}) {
    fs::path folder = dataset.name.empty() ? base : base / dataset.name;
    for (const char* ending : kEndings) {
      std::string file = (folder / (split + ending)).string();
      if (!fs::is_regular_file(file, ec)) continue;
      Split out;
      QEVAL_TRY(std::string bytes, read_file_maybe_gzip(file));
      QEVAL_TRY(out.rows, parse_rows(bytes, file, RowOptions{}));
      QEVAL_TRY(out.sha256, sha256_file(file));
      out.source = file;
      return std::optional<Split>(std::move(out));
    }
    for (const auto& item : fs::directory_iterator(folder, ec)) {
      std::string name = item.path().filename().string();
      if (name.starts_with(split) && name.ends_with(".parquet")) return fail(parquet_error(item.path().string()));
    }
    tried.push_back((folder / (split + ".jsonl")).string());
  }
  return std::optional<Split>();
}

// dataset_path: synthetic, dataset_name: the generator, dataset_kwargs: {level, n, seed}. The split "train" is drawn
// with another seed, so that few-shot examples are not the evaluated documents.
Result<Split> synthetic_split(const DatasetSpec& dataset, const std::string& split) {
  int level = static_cast<int>(json_int(dataset.kwargs, "level", 0));
  int64_t n = json_int(dataset.kwargs, "n", 200);
  int64_t given = json_int(dataset.kwargs, "seed", 1234);
  if (split != "test" && split != "train") return bad_input(fmt::format("synthetic data has the splits test and train, not '{}'", split));
  if (given < 0) return bad_input("dataset_kwargs: seed: must not be negative");
  uint64_t seed = static_cast<uint64_t>(given) + (split == "train" ? 1000000007ULL : 0);
  Split out;
  QEVAL_TRY(out.rows, generate(dataset.name, level, n, seed));
  std::string text;
  for (const Json& row : out.rows) text += dump_json(row) + "\n";
  out.sha256 = sha256_hex(text);
  out.source = fmt::format("generator {} version {}, level {}, seed {}", dataset.name, kSynthVersion, level, seed);
  return out;
}

// dataset_path: agents, dataset_name: the world, dataset_kwargs: {n, seed}.
Result<Split> agents_split(const DatasetSpec& dataset, const std::string& split) {
  if (split != "test") return bad_input(fmt::format("agent tasks have the split test only, not '{}'", split));
  int64_t seed = json_int(dataset.kwargs, "seed", 1234);
  if (seed < 0) return bad_input("dataset_kwargs: seed: must not be negative");
  Split out;
  QEVAL_TRY(out.rows, agent::generate_tasks(dataset.name, json_int(dataset.kwargs, "n", 26), static_cast<uint64_t>(seed)));
  std::string text;
  for (const Json& row : out.rows) text += dump_json(row) + "\n";
  out.sha256 = sha256_hex(text);
  out.source = fmt::format("agent tasks of {}, version {}, seed {}", dataset.name, agent::kTasksVersion, seed);
  return out;
}

}  // namespace

Result<Split> load_split(const DatasetSpec& dataset, const std::string& split, const TaskSources& sources, const HttpGet& get) {
  if (dataset.path == "synthetic") return synthetic_split(dataset, split);
  if (dataset.path == "agents") return agents_split(dataset, split);
  if (names_data_files(dataset)) return load_data_files(dataset, split, sources, get);
  QEVAL_TRY(Json entry, catalogue_entry(dataset));
  std::vector<std::string> tried;
  std::vector<fs::path> roots;
  if (!dataset.yaml.shipped) roots.push_back(fs::path(dataset.yaml.path).parent_path());
  if (!sources.data_dir.empty()) roots.emplace_back(sources.data_dir);
  if (!sources.cache_dir.empty()) roots.push_back(fs::path(sources.cache_dir) / "data");
  for (const fs::path& root : roots) {
    QEVAL_TRY(auto found, from_catalogue(root, entry, dataset, split, tried));
    if (!found) {
      QEVAL_TRY(found, from_convention(root, dataset, split, tried));
    }
    if (!found) continue;
    unify_columns(found->rows);
    return std::move(*found);
  }
  auto hub = load_hub_split(dataset, split, sources, get);
  if (hub) return hub;
  std::string message = fmt::format("the split '{}' of {}{} is not here. Looked for:", split, dataset.path,
                                    dataset.name.empty() ? "" : " (" + dataset.name + ")");
  for (const std::string& file : tried) message += "\n  " + file;
  message += fmt::format("\n  the hub: {}", hub.error().message);
  std::string name = json_string(entry, "pull", json_string(entry, "folder"));
  if (!name.empty()) message += fmt::format("\nGet it with: qeval data pull {} (--all for splits that only few-shot examples need)", name);
  return fail(hub.error().kind == ErrorKind::unavailable ? ErrorKind::environment : ErrorKind::bad_input, message);
}

}  // namespace qeval
