#include <fmt/format.h>

#include <filesystem>

#include "qeval/task/config.h"
#include "qeval/task/task.h"
#include "qeval/text/near_names.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

Error wrong(const std::string& file, const std::string& key, const std::string& message) {
  return {ErrorKind::bad_input, fmt::format("{}: {}: {}", file, key, message)};
}

Result<SuiteEntry> entry_of(const Json& value, const std::string& file, const std::string& list) {
  if (value.is_string()) return SuiteEntry{.task = value.get<std::string>(), .apply_chat_template = false, .num_fewshot = std::nullopt, .pending = "", .row = ""};
  if (!value.is_object()) return fail(wrong(file, list, "a task name or a mapping was expected"));
  SuiteEntry entry;
  for (const auto& [key, item] : value.items()) {
    bool fits = true;
    if (key == "task" && (fits = item.is_string())) entry.task = item.get<std::string>();
    else if (key == "row" && (fits = item.is_string())) entry.row = item.get<std::string>();
    else if (key == "pending" && (fits = item.is_string())) entry.pending = item.get<std::string>();
    else if (key == "chat_template" && (fits = item.is_boolean())) entry.apply_chat_template = item.get<bool>();
    else if (key == "num_fewshot" && (fits = item.is_number_integer() && item.get<int64_t>() >= 0 && item.get<int64_t>() <= 1000)) entry.num_fewshot = item.get<int>();
    else if (fits) return fail(wrong(file, list, fmt::format("unknown key '{}'", key)));
    if (!fits) return fail(wrong(file, list, fmt::format("{}: {} does not fit", key, dump_json(item).substr(0, 80))));
  }
  if (entry.task.empty()) return fail(wrong(file, list, "an entry has no task"));
  return entry;
}

Status read_list(const Json& config, const char* key, const std::string& file, std::vector<SuiteEntry>& out) {
  if (!config.contains(key)) return {};
  if (!config[key].is_array()) return fail(wrong(file, key, "a list of tasks was expected"));
  for (const Json& value : config[key]) {
    QEVAL_TRY(SuiteEntry entry, entry_of(value, file, key));
    out.push_back(std::move(entry));
  }
  return {};
}

Result<Suite> parse_suite(const std::string& text, const std::string& file) {
  QEVAL_TRY(Json config, parse_yaml(text, file));
  if (!config.is_object()) return bad_input(fmt::format("{}: a mapping was expected", file));
  for (const auto& [key, value] : config.items())
    if (key != "suite" && key != "description" && key != "limit" && key != "tasks" && key != "instruct" && key != "base")
      return bad_input(fmt::format("{}:{}: {}: unknown key", file, yaml_key_line(text, key), key));
  Suite suite;
  suite.name = json_string(config, "suite");
  if (suite.name.empty()) return fail(wrong(file, "suite", "is missing"));
  suite.description = json_string(config, "description");
  if (config.contains("limit") && !config["limit"].is_null()) {
    if (!config["limit"].is_number_integer() || config["limit"].get<int64_t>() < 1) return fail(wrong(file, "limit", "a positive whole number was expected"));
    suite.limit = config["limit"].get<int64_t>();
  }
  QEVAL_CHECK(read_list(config, "tasks", file, suite.instruct));
  suite.base = suite.instruct;
  QEVAL_CHECK(read_list(config, "instruct", file, suite.instruct));
  QEVAL_CHECK(read_list(config, "base", file, suite.base));
  return suite;
}

}  // namespace

Result<Suite> load_suite(const std::string& name, const std::vector<std::string>& include_paths) {
  if (name.find('/') == std::string::npos && !name.ends_with(".yaml"))
    for (const std::string& root : include_paths)
      for (const char* folder : {"suites", "."}) {
        std::string file = (fs::path(root) / folder / (name + ".yaml")).lexically_normal().string();
        if (!file_exists(file)) continue;
        QEVAL_TRY(std::string text, read_file(file));
        auto suite = parse_suite(text, file);
        // A task file may have the same name; only a file with the key `suite` is one.
        if (suite || yaml_key_line(text, "suite") > 0) return suite;
      }
  if (auto text = find_asset("suites/" + name + ".yaml")) return parse_suite(std::string(*text), "suites/" + name + ".yaml");
  if (name.ends_with(".yaml") && file_exists(name)) {
    QEVAL_TRY(std::string text, read_file(name));
    return parse_suite(text, name);
  }
  std::vector<std::string> names;
  for (const Suite& suite : list_suites()) names.push_back(suite.name);
  return bad_input(fmt::format("there is no suite '{}'; there are {}{}", name, fmt::join(names, ", "), near_names(name, names)));
}

std::vector<Suite> list_suites() {
  std::vector<Suite> out;
  for (const Asset& asset : shipped_assets()) {
    if (!asset.path.starts_with("suites/") || !asset.path.ends_with(".yaml")) continue;
    if (auto suite = parse_suite(std::string(asset.content), asset.path)) out.push_back(std::move(*suite));
  }
  return out;
}

}  // namespace qeval
