#include "qeval/task/config.h"

#include <fmt/format.h>

#include <filesystem>

#include "qeval/task/hooks.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxIncludes = 16;

std::string normal(const fs::path& path) { return path.lexically_normal().generic_string(); }

// "utils.f" of a shipped file in tasks/hellaswag/ is hellaswag/utils.f. Beside a user's file the module must be one
// whose functions are known, byte for byte: another version may compute something else.
Json resolve_hook(const YamlFile& file, const std::string& spec) {
  Json hook = Json::object();
  auto unknown = [&](std::string reason) {
    hook["!function"] = spec;
    hook["reason"] = std::move(reason);
    return hook;
  };
  size_t dot = spec.rfind('.');
  if (dot == std::string::npos) return unknown("it names no module");
  std::string module = spec.substr(0, dot), function = spec.substr(dot + 1);
  for (char& c : module)
    if (c == '.') c = '/';
  std::string known;
  if (module.starts_with("lm_eval/tasks/")) {
    known = module.substr(14);
  } else if (file.shipped) {
    known = normal(fs::path(file.path).parent_path().lexically_relative("tasks") / module);
    if (known == "synthetic/utils") known = "humaneval/utils";  // the generated functions have HumanEval's fields
  } else {
    std::string python = normal(fs::path(file.path).parent_path() / (module + ".py"));
    auto hash = sha256_file(python);
    if (!hash) return unknown(fmt::format("there is no {} beside the file, and Python cannot run here", python));
    known = known_python_module(*hash);
    if (known.empty())
      return unknown(fmt::format("Python cannot run here, and {} is no module whose functions qeval has in C++", python));
  }
  std::string name = known + "." + function;
  if (!is_known_hook(name)) return unknown(fmt::format("Python cannot run here, and qeval has no C++ counterpart of {}", name));
  hook["!function"] = name;
  return hook;
}

void resolve_hooks(const YamlFile& file, Json& value) {
  if (value.is_object() && value.size() == 1 && value.contains("!function") && value["!function"].is_string()) {
    value = resolve_hook(file, value["!function"].get<std::string>());
    return;
  }
  if (value.is_structured())
    for (Json& item : value) resolve_hooks(file, item);
}

// Beside the including file; else, for users, below the shipped tasks.
Result<YamlFile> find_include(const YamlFile& from, const std::string& include, const Origin& origin) {
  fs::path path(include);
  std::string beside = normal(path.is_absolute() ? path : fs::path(from.path).parent_path() / path);
  if (from.shipped) {
    if (find_asset(beside)) return YamlFile{beside, true};
  } else {
    if (file_exists(beside)) return YamlFile{beside, false};
    std::string shipped = normal(fs::path("tasks") / path);
    if (!path.is_absolute() && find_asset(shipped)) return YamlFile{shipped, true};
  }
  return bad_input(fmt::format("{}: include: {} does not exist", origin.text(), beside));
}

Status merge_file(const YamlFile& file, std::vector<std::string>& open, MergedConfig& out) {
  for (const std::string& path : open)
    if (path == file.path) return bad_input(fmt::format("{}: includes itself", file.path));
  if (open.size() >= kMaxIncludes) return bad_input(fmt::format("{}: includes are nested deeper than {}", file.path, kMaxIncludes));
  QEVAL_TRY(std::string text, read_yaml_text(file));
  QEVAL_TRY(Json config, parse_yaml(text, file.path));
  if (!config.is_object()) return bad_input(fmt::format("{}:1: a mapping of keys was expected", file.path));
  resolve_hooks(file, config);
  auto origin_of = [&](const std::string& key) { return Origin{file.path, yaml_key_line(text, key)}; };
  Json includes = config.contains("include") ? config["include"] : Json::array();
  config.erase("include");
  if (!includes.is_array()) includes = Json::array({includes});
  open.push_back(file.path);
  for (const Json& include : includes) {
    Origin origin = origin_of("include");
    if (!include.is_string()) return bad_input(fmt::format("{}: include: a file name was expected", origin.text()));
    QEVAL_TRY(YamlFile next, find_include(file, include.get<std::string>(), origin));
    QEVAL_CHECK(merge_file(next, open, out));
  }
  open.pop_back();
  if (!includes.empty()) out.config.erase("task_list");
  for (auto& [key, value] : config.items()) {
    out.config[key] = value;
    out.origins[key] = origin_of(key);
  }
  return {};
}

}  // namespace

std::string Origin::text() const { return line > 0 ? fmt::format("{}:{}", file, line) : file; }

Error MergedConfig::wrong(const std::string& key, const std::string& message) const {
  auto it = origins.find(key);
  std::string place = it == origins.end() ? file.path : it->second.text();
  return {ErrorKind::bad_input, fmt::format("{}: {}: {}", place, key, message)};
}

Result<std::string> read_yaml_text(const YamlFile& file) {
  if (!file.shipped) return read_file(file.path);
  auto text = find_asset(file.path);
  if (!text) return bad_input(fmt::format("{}: no such shipped file", file.path));
  return std::string(*text);
}

Result<std::shared_ptr<const MergedConfig>> load_merged(const YamlFile& file) {
  auto merged = std::make_shared<MergedConfig>();
  merged->file = file;
  std::vector<std::string> open;
  QEVAL_CHECK(merge_file(file, open, *merged));
  return std::shared_ptr<const MergedConfig>(std::move(merged));
}

bool is_hook(const Json& value) { return value.is_object() && value.contains("!function"); }

Result<std::string> hook_of(const MergedConfig& merged, const std::string& key, const Json& value) {
  std::string name = json_string(value, "!function");
  std::string reason = json_string(value, "reason");
  if (!reason.empty()) return fail(merged.wrong(key, fmt::format("!function {}: {}", name, reason)));
  return name;
}

}  // namespace qeval
