#include "qeval/runner/selfcheck_plan.h"

#include <fmt/format.h>

#include <filesystem>

#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

constexpr const char* kPlanFile = "reference/selfcheck.yaml";
constexpr std::string_view kFixtures = "reference/fixtures/";

Result<SelfcheckVariant> variant_from(const std::string& task, const Json& json) {
  SelfcheckVariant variant;
  variant.name = json_string(json, "name");
  variant.text = json_string(json, "text");
  variant.filter = json_string(json, "filter");
  variant.length_cut = json_bool(json, "length_cut");
  auto expected = failure_class_from(json_string(json, "class", "correct"));
  if (!expected || variant.name.empty())
    return bad_input(fmt::format("{}: {}: a variant needs a name and a known class", kPlanFile, task));
  variant.expected = *expected;
  return variant;
}

}  // namespace

Result<SelfcheckPlans> load_selfcheck_plans() {
  auto text = find_asset(kPlanFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kPlanFile));
  QEVAL_TRY(Json yaml, parse_yaml(*text, kPlanFile));
  SelfcheckPlans plans;
  for (const auto& [task, json] : yaml["tasks"].items()) {
    SelfcheckPlan plan;
    plan.task = task;
    plan.gold = json_string(json, "gold");
    plan.prompts = json_string(json, "prompts");
    if (json.contains("unanswerable")) plan.unanswerable = json["unanswerable"].get<std::vector<std::string>>();
    plan.empty_is_right = json_string(json, "empty") == "correct";
    plan.gold_in_fixtures_only = json_bool(json, "gold_in_fixtures_only");
    if (json.contains("gold_filters")) plan.gold_filters = json["gold_filters"].get<std::vector<std::string>>();
    if (json.contains("variants")) {
      for (const Json& v : json["variants"]) {
        QEVAL_TRY(SelfcheckVariant variant, variant_from(task, v));
        plan.variants.push_back(std::move(variant));
      }
    }
    plans.tasks.push_back(std::move(plan));
  }
  if (yaml.contains("fixture_copies"))
    for (const Json& c : yaml["fixture_copies"])
      plans.copies.push_back({json_string(c, "folder"), json_string(c, "from"), c["to"].get<std::vector<std::string>>()});
  return plans;
}

Status write_fixtures(const SelfcheckPlans& plans, const std::string& folder) {
  auto write = [&](const std::string& name, const std::string& content) -> Status {
    std::filesystem::path path = std::filesystem::path(folder) / name;
    QEVAL_CHECK(make_directories(path.parent_path().string()));
    return write_file_atomic(path.string(), content);
  };
  for (const Asset& asset : shipped_assets()) {
    if (asset.path.rfind(kFixtures, 0) != 0) continue;
    std::string name = asset.path.substr(kFixtures.size()), content(asset.content);
    QEVAL_CHECK(write(name, content));
    for (const FixtureCopies& copies : plans.copies) {
      size_t at = name.rfind("/" + copies.from + "_");
      if (at == std::string::npos || !name.starts_with(copies.folder + "/")) continue;
      for (const std::string& to : copies.to)
        QEVAL_CHECK(write(name.substr(0, at + 1) + to + name.substr(at + 1 + copies.from.size()), content));
    }
  }
  return {};
}

}  // namespace qeval
