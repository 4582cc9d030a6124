#include "qeval/core/group_spec.h"

namespace qeval {
namespace {

std::vector<std::string> strings_at(const Json& json, const char* key) {
  std::vector<std::string> out;
  if (!json.is_object() || !json.contains(key) || !json[key].is_array()) return out;
  for (const Json& item : json[key])
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

}  // namespace

Json to_json(const GroupSpec& g) {
  Json metrics = Json::array();
  for (const GroupMetric& m : g.metrics)
    metrics.push_back({{"metric", m.metric}, {"filters", m.filters}, {"weight_by_size", m.weight_by_size}});
  Json out = {{"name", g.name},         {"version", g.version}, {"title", g.title},     {"category", g.category},
              {"family", g.family},     {"row", g.row},         {"members", g.members}, {"tasks", g.tasks},
              {"metrics", std::move(metrics)}};
  if (g.chance) out["chance"] = *g.chance;
  return out;
}

GroupSpec group_spec_from_json(const Json& j) {
  GroupSpec g;
  g.name = json_string(j, "name");
  g.version = json_string(j, "version");
  g.title = json_string(j, "title");
  g.category = json_string(j, "category");
  g.family = json_string(j, "family");
  g.row = json_string(j, "row");
  g.members = strings_at(j, "members");
  g.tasks = strings_at(j, "tasks");
  if (j.is_object() && j.contains("metrics") && j["metrics"].is_array())
    for (const Json& m : j["metrics"])
      g.metrics.push_back({json_string(m, "metric"), strings_at(m, "filters"), json_bool(m, "weight_by_size", true)});
  if (j.is_object() && j.contains("chance") && j["chance"].is_number()) g.chance = j["chance"].get<double>();
  return g;
}

}  // namespace qeval
