#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "qeval/task/config.h"
#include "qeval/task/dataset.h"
#include "qeval/task/group_config.h"
#include "qeval/task/loaded_task.h"
#include "qeval/task/scorer_data.h"
#include "qeval/task/task_config.h"
#include "qeval/text/near_names.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxGroupDepth = 16;
constexpr const char* kGroupKeys[] = {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag", "include"};

enum class Kind { task, group, tag, broken };

// A name that was found, with what it stands for.
struct Entry {
  Kind kind = Kind::task;
  std::string name;
  YamlFile file;
  std::shared_ptr<const MergedConfig> merged;
  std::set<std::string> members;       // tags
  std::optional<Error> error;          // broken
  std::vector<std::string> also_in;    // later files that define the same name, not used
};

// A task with the keys that a group puts over its own.
struct Leaf {
  std::string name;                    // "task", or "group::task" where the group changes it
  std::string base;                    // registered name, "" = defined inside the group
  Json overrides = Json::object();
  YamlFile group_file;
};

// What a name stands for.
struct Expansion {
  std::vector<Leaf> leaves;
  std::vector<GroupSpec> groups;       // outer ones first
};

std::string guessed_name(const YamlFile& file) {
  auto text = read_yaml_text(file);
  if (!text) return "";
  for (std::string_view key : {"\ntask:", "\ngroup:"}) {
    std::string padded = "\n" + *text;
    size_t at = padded.find(key);
    if (at == std::string::npos) continue;
    std::string value = padded.substr(at + key.size(), padded.find('\n', at + 1) - at - key.size());
    std::string name;
    for (char c : value)
      if (c != ' ' && c != '"' && c != '\'' && c != '\r' && c != '\t') name += c;
    return name.substr(0, name.find('#'));
  }
  return "";
}

std::vector<std::string> string_list(const Json& value) {
  std::vector<std::string> out;
  if (value.is_string()) out.push_back(value.get<std::string>());
  if (value.is_array())
    for (const Json& item : value)
      if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

Json value_at(const Json& object, const char* key) { return object.contains(key) ? object[key] : Json(); }

class Registry final : public TaskRegistry {
 public:
  explicit Registry(TaskSources sources) : sources_(std::move(sources)), get_(network_get(sources_)) {}

  Status open();
  std::vector<TaskListing> list() const override;
  Result<std::vector<std::string>> expand(const std::string& name) const override;
  Result<std::vector<GroupSpec>> groups(const std::string& name) const override;
  Result<std::unique_ptr<Task>> load(const std::string& name, const TaskOverrides& overrides) const override;
  Result<TaskSpec> describe(const std::string& name) const override;
  std::string pending(const std::string& name) const override;

 private:
  void add_file(const YamlFile& file, std::map<std::string, Entry>& found) const;
  void add_root(std::map<std::string, Entry> found);
  Result<const Entry*> entry(const std::string& name) const;
  Result<Entry> entry_of_file(const std::string& path) const;
  Result<Expansion> expansion(const std::string& name) const;
  Status leaves_of_entry(const Entry& entry, const Json& overrides, const std::string& owner, int depth, Expansion& out) const;
  Status leaves_of_group(const Entry& group, const std::string& name, const Json& config, const Json& overrides, int depth, Expansion& out) const;
  Status leaf_of_member(const Entry& group, const std::string& name, const Json& member, const Json& overrides, int depth, Expansion& out) const;
  Result<TaskConfig> config_of(const std::string& name) const;

  TaskSources sources_;
  HttpGet get_;
  std::map<std::string, Entry> entries_;
};

// A file that holds neither a task nor a group is a template for includes, and no entry.
void Registry::add_file(const YamlFile& file, std::map<std::string, Entry>& found) const {
  Entry made;
  made.file = file;
  auto merged = load_merged(file);
  if (!merged) {
    made.kind = Kind::broken;
    made.name = guessed_name(file);
    made.error = merged.error();
  } else {
    const Json& config = (*merged)->config;
    made.merged = *merged;
    if (json_string(config, "group") != "") {
      made.kind = Kind::group;
      made.name = json_string(config, "group");
    } else {
      made.name = json_string(config, "task");
    }
  }
  if (made.name.empty()) return;
  auto [it, fresh] = found.emplace(made.name, made);
  if (fresh) return;
  // The first file of a folder wins, as in lm-eval; a tag of the same name gives way.
  if (it->second.kind == Kind::tag) it->second = std::move(made);
  else it->second.also_in.push_back(file.path);
}

void Registry::add_root(std::map<std::string, Entry> found) {
  std::map<std::string, Entry> tags;
  for (const auto& [name, made] : found) {
    if (made.kind != Kind::task || !made.merged) continue;
    for (const std::string& tag : string_list(value_at(made.merged->config, "tag"))) {
      Entry& entry = tags[tag];
      entry.kind = Kind::tag;
      entry.name = tag;
      entry.members.insert(name);
    }
  }
  for (auto& [name, made] : found) {
    auto [it, fresh] = entries_.emplace(name, made);
    if (!fresh) it->second.also_in.push_back(made.file.path);
  }
  for (auto& [name, tag] : tags) {
    auto [it, fresh] = entries_.emplace(name, tag);
    if (!fresh && it->second.kind == Kind::tag) it->second.members.insert(tag.members.begin(), tag.members.end());
  }
}

Status Registry::open() {
  for (const std::string& root : sources_.include_paths) {
    std::error_code ec;
    if (!fs::is_directory(root, ec)) return bad_input(fmt::format("--include-path {}: is no folder that can be read", root));
    std::vector<std::string> files;
    auto walk = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, ec);
    for (; !ec && walk != fs::recursive_directory_iterator(); walk.increment(ec)) {
      std::string name = walk->path().filename().string();
      if (name == "__pycache__" || name == ".ipynb_checkpoints" || name == ".git") walk.disable_recursion_pending();
      else if (walk->path().extension() == ".yaml" && walk->is_regular_file(ec)) files.push_back(walk->path().generic_string());
    }
    if (ec) return bad_input(fmt::format("--include-path {}: {}", root, ec.message()));
    std::sort(files.begin(), files.end());
    std::map<std::string, Entry> found;
    for (const std::string& file : files) add_file({file, false}, found);
    add_root(std::move(found));
  }
  std::map<std::string, Entry> found;
  for (const Asset& asset : shipped_assets()) {
    std::string name = asset.path.substr(asset.path.rfind('/') + 1);
    if (asset.path.starts_with("tasks/") && asset.path.ends_with(".yaml") && name[0] != '_') add_file({asset.path, true}, found);
  }
  add_root(std::move(found));
  return {};
}

TaskListing listing_of(const Entry& entry) {
  TaskListing out;
  out.name = entry.name;
  out.file = entry.file.path;
  for (const std::string& other : entry.also_in) out.description += fmt::format("{}also in {}, not used", out.description.empty() ? "" : "; ", other);
  switch (entry.kind) {
    case Kind::tag:
      out.kind = "tag";
      out.members.assign(entry.members.begin(), entry.members.end());
      return out;
    case Kind::broken:
      out.kind = "task";
      out.description = entry.error->message;
      return out;
    case Kind::group: out.kind = "group"; break;
    case Kind::task: out.kind = "task"; break;
  }
  const Json& config = entry.merged->config;
  Json metadata = value_at(config, "metadata");
  out.title = json_string(metadata, "title", json_string(config, "task_alias", json_string(config, "group_alias", entry.name)));
  out.category = json_string(metadata, "category");
  Json version = value_at(metadata, "version");
  out.version = version.is_string() ? version.get<std::string>() : version.is_null() ? "0" : dump_json(version);
  if (entry.kind == Kind::task) out.output_type = json_string(config, "output_type", "generate_until");
  if (out.description.empty()) out.description = json_string(metadata, "description");
  if (entry.kind == Kind::group)
    for (const Json& member : value_at(config, "task"))
      out.members.push_back(member.is_string() ? member.get<std::string>() : json_string(member, "task", json_string(member, "group")));
  return out;
}

std::vector<TaskListing> Registry::list() const {
  std::vector<TaskListing> out;
  for (const auto& [name, entry] : entries_) out.push_back(listing_of(entry));
  return out;
}

Result<const Entry*> Registry::entry(const std::string& name) const {
  auto it = entries_.find(name);
  if (it != entries_.end()) return &it->second;
  std::vector<std::string> names;
  for (const auto& [known, made] : entries_) names.push_back(known);
  return bad_input(fmt::format("there is no task, group or tag '{}'{}", name, near_names(name, names)));
}

Result<Entry> Registry::entry_of_file(const std::string& path) const {
  std::map<std::string, Entry> found;
  QEVAL_CHECK(load_merged({path, false}));
  add_file({path, false}, found);
  if (found.empty()) return bad_input(fmt::format("{}: has neither the key task nor group", path));
  return found.begin()->second;
}

Status Registry::leaves_of_entry(const Entry& entry, const Json& overrides, const std::string& owner, int depth, Expansion& out) const {
  if (depth > kMaxGroupDepth) return bad_input(fmt::format("{}: groups are nested deeper than {}", entry.name, kMaxGroupDepth));
  if (entry.kind == Kind::broken) return fail(*entry.error);
  if (entry.kind == Kind::group) return leaves_of_group(entry, entry.name, entry.merged->config, overrides, depth, out);
  if (entry.kind == Kind::task) {
    Json kept = overrides;
    kept.erase("task");
    std::string name = kept.empty() ? entry.name : owner + "::" + entry.name;
    out.leaves.push_back({name, entry.name, kept, {}});
    return {};
  }
  for (const std::string& member : entry.members) {
    QEVAL_TRY(const Entry* task, this->entry(member));
    QEVAL_CHECK(leaves_of_entry(*task, overrides, owner, depth + 1, out));
  }
  return {};
}

Status Registry::leaves_of_group(const Entry& group, const std::string& name, const Json& config, const Json& overrides, int depth,
                                 Expansion& out) const {
  // Keys of the group that are no group's own are set in every member; the caller's come over them.
  Json inherited = Json::object();
  for (const auto& [key, value] : config.items())
    if (std::none_of(std::begin(kGroupKeys), std::end(kGroupKeys), [&, &k = key](const char* known) { return k == known; })) inherited[key] = value;
  for (const auto& [key, value] : overrides.items())
    if (key != "group") inherited[key] = value;
  Json members = value_at(config, "task");
  if (members.is_string()) members = Json::array({members});
  if (!members.is_array()) return fail(group.merged->wrong("task", fmt::format("the group {} lists no tasks", name)));
  QEVAL_TRY(GroupSpec spec, parse_group_config(*group.merged, name, config));
  size_t slot = out.groups.size(), first = out.leaves.size();
  out.groups.emplace_back();
  for (const Json& member : members) {
    size_t n_groups = out.groups.size(), n_leaves = out.leaves.size();
    QEVAL_CHECK(leaf_of_member(group, name, member, inherited, depth, out));
    if (out.groups.size() > n_groups) {
      spec.members.push_back(out.groups[n_groups].name);
      continue;
    }
    for (size_t i = n_leaves; i < out.leaves.size(); ++i) spec.members.push_back(out.leaves[i].name);
  }
  for (size_t i = first; i < out.leaves.size(); ++i) spec.tasks.push_back(out.leaves[i].name);
  out.groups[slot] = std::move(spec);
  return {};
}

Status Registry::leaf_of_member(const Entry& group, const std::string& name, const Json& member, const Json& overrides, int depth,
                                Expansion& out) const {
  if (depth > kMaxGroupDepth) return bad_input(fmt::format("{}: groups are nested deeper than {}", name, kMaxGroupDepth));
  Json own = overrides;
  std::string base;
  if (member.is_string()) {
    base = member.get<std::string>();
  } else if (member.is_object() && member.contains("group")) {
    base = json_string(member, "group");
    if (!entries_.contains(base)) return leaves_of_group(group, name + "::" + base, member, overrides, depth + 1, out);
    own.update(member);
    own.erase("group");
  } else if (member.is_object() && member.contains("task")) {
    base = json_string(member, "task");
    own.update(member);
    own.erase("task");
  } else {
    return fail(group.merged->wrong("task", fmt::format("{}: a task name, or a mapping with task or group, was expected", name)));
  }
  if (entries_.contains(base)) return leaves_of_entry(entries_.at(base), own, name, depth + 1, out);
  if (!member.is_object() || (!own.contains("dataset_path") && !own.contains("include"))) {
    auto unknown = entry(base);
    return fail(group.merged->wrong("task", unknown.error().message));
  }
  out.leaves.push_back({name + "::" + base, "", own, group.file});
  return {};
}

Result<Expansion> Registry::expansion(const std::string& name) const {
  Expansion all;
  if (name.find_first_of("*?[") != std::string::npos) {
    for (const auto& [known, made] : entries_)
      if (made.kind != Kind::tag && fnmatch(name.c_str(), known.c_str(), 0) == 0) QEVAL_CHECK(leaves_of_entry(made, Json::object(), known, 0, all));
    if (all.leaves.empty()) return bad_input(fmt::format("no task or group matches '{}'", name));
  } else if (!entries_.contains(name) && name.ends_with(".yaml")) {
    QEVAL_TRY(Entry made, entry_of_file(name));
    if (made.kind == Kind::group) QEVAL_CHECK(leaves_of_entry(made, Json::object(), made.name, 0, all));
    else all.leaves.push_back({name, "", Json::object(), {}});
  } else {
    QEVAL_TRY(const Entry* found, entry(name));
    QEVAL_CHECK(leaves_of_entry(*found, Json::object(), name, 0, all));
  }
  Expansion out;
  out.groups = std::move(all.groups);
  std::set<std::string> seen;
  for (Leaf& leaf : all.leaves)
    if (seen.insert(leaf.name).second) out.leaves.push_back(std::move(leaf));
  return out;
}

Result<std::vector<std::string>> Registry::expand(const std::string& name) const {
  QEVAL_TRY(Expansion found, expansion(name));
  std::vector<std::string> out;
  for (const Leaf& leaf : found.leaves) out.push_back(leaf.name);
  return out;
}

Result<std::vector<GroupSpec>> Registry::groups(const std::string& name) const {
  QEVAL_TRY(Expansion found, expansion(name));
  return std::move(found.groups);
}

// The configuration of one leaf: "group::task" is looked up in the group that changes it.
Result<TaskConfig> Registry::config_of(const std::string& name) const {
  if (!entries_.contains(name) && name.ends_with(".yaml")) {
    QEVAL_TRY(auto merged, load_merged({name, false}));
    return parse_task_config(merged);
  }
  size_t colons = name.find("::");
  if (entries_.contains(name) || colons == std::string::npos) {
    QEVAL_TRY(const Entry* found, entry(name));
    if (found->kind == Kind::broken) return fail(*found->error);
    if (found->kind != Kind::task) return bad_input(fmt::format("'{}' is a {}, not one task", name, found->kind == Kind::tag ? "tag" : "group"));
    return parse_task_config(found->merged);
  }
  QEVAL_TRY(Expansion found, expansion(name.substr(0, colons)));
  for (const Leaf& leaf : found.leaves) {
    if (leaf.name != name) continue;
    auto merged = std::make_shared<MergedConfig>();
    if (!leaf.base.empty()) *merged = *entries_.at(leaf.base).merged;
    else merged->file = leaf.group_file;
    merged->config.update(leaf.overrides);
    merged->config["task"] = name;
    return parse_task_config(merged);
  }
  return bad_input(fmt::format("the group '{}' has no task '{}'", name.substr(0, colons), name.substr(colons + 2)));
}

Result<TaskSpec> Registry::describe(const std::string& name) const {
  QEVAL_TRY(TaskConfig config, config_of(name));
  find_scorer_data(config.spec, sources_);
  return std::move(config.spec);
}

std::string Registry::pending(const std::string& name) const {
  auto config = config_of(name);
  if (!config || !config->user_turns) return "";
  return sources_.outside_tools ? sources_.outside_tools->missing() : "needs a benchmark's own tools, which are not at hand here";
}

Result<std::unique_ptr<Task>> Registry::load(const std::string& name, const TaskOverrides& overrides) const {
  QEVAL_TRY(TaskConfig config, config_of(name));
  return make_task(std::move(config), overrides, sources_, get_);
}

}  // namespace

Result<std::unique_ptr<TaskRegistry>> open_task_registry(const TaskSources& sources) {
  auto registry = std::make_unique<Registry>(sources);
  QEVAL_CHECK(registry->open());
  return std::unique_ptr<TaskRegistry>(std::move(registry));
}

}  // namespace qeval
