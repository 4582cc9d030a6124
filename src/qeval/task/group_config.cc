#include "qeval/task/group_config.h"

#include <fmt/format.h>

namespace qeval {
namespace {

constexpr const char* kKey = "aggregate_metric_list";

Json value_at(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object[key] : Json();
}

Status read_filters(const MergedConfig& file, const Json& value, GroupMetric& metric) {
  if (value.is_null()) return {};
  for (const Json& name : value.is_array() ? value : Json::array({value})) {
    if (!name.is_string()) return fail(file.wrong(kKey, "filter_list: names of filters were expected"));
    metric.filters.push_back(name.get<std::string>());
  }
  return {};
}

Result<GroupMetric> read_metric(const MergedConfig& file, const Json& item) {
  GroupMetric metric;
  for (const auto& [key, value] : item.items()) {
    if (key == "metric" && value.is_string()) {
      metric.metric = value.get<std::string>();
    } else if (key == "weight_by_size" && value.is_boolean()) {
      metric.weight_by_size = value.get<bool>();
    } else if (key == "filter_list") {
      QEVAL_CHECK(read_filters(file, value, metric));
    } else if (key == "aggregation") {
      if (value != "mean")
        return fail(file.wrong(kKey, fmt::format("aggregation {}: only mean is known for groups", dump_json(value))));
    } else {
      return fail(file.wrong(kKey, fmt::format("{}: {}: metric (text), weight_by_size (true or false), filter_list and "
                                               "aggregation are known",
                                               key, dump_json(value).substr(0, 80))));
    }
  }
  if (metric.metric.empty()) return fail(file.wrong(kKey, "an entry names no metric"));
  return metric;
}

}  // namespace

Result<GroupSpec> parse_group_config(const MergedConfig& file, const std::string& name, const Json& config) {
  GroupSpec group;
  group.name = name;
  Json metadata = value_at(config, "metadata"), version = value_at(metadata, "version");
  group.version = version.is_string() ? version.get<std::string>() : version.is_null() ? "" : dump_json(version);
  group.title = json_string(metadata, "title", json_string(config, "group_alias", name));
  group.category = json_string(metadata, "category");
  group.family = json_string(metadata, "family");
  if (Json chance = value_at(metadata, "chance"); chance.is_number()) group.chance = chance.get<double>();
  Json list = value_at(config, kKey);
  if (list.is_object()) list = Json::array({list});
  if (list.is_null()) return group;
  if (!list.is_array()) return fail(file.wrong(kKey, "a list of metrics was expected"));
  for (const Json& item : list) {
    if (!item.is_object()) return fail(file.wrong(kKey, "a mapping with the key metric was expected"));
    QEVAL_TRY(GroupMetric metric, read_metric(file, item));
    group.metrics.push_back(std::move(metric));
  }
  return group;
}

}  // namespace qeval
