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

Result<std::vector<SelfcheckPlan>> load_selfcheck_plans() {
  auto text = find_asset(kPlanFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kPlanFile));
  QEVAL_TRY(Json yaml, parse_yaml(*text, kPlanFile));
  std::vector<SelfcheckPlan> plans;
  for (const auto& [task, json] : yaml["tasks"].items()) {
    SelfcheckPlan plan;
    plan.task = task;
    plan.gold = json_string(json, "gold");
    plan.prompts = json_string(json, "prompts");
    plan.empty_is_right = json_string(json, "empty") == "correct";
    if (json.contains("gold_filters")) plan.gold_filters = json["gold_filters"].get<std::vector<std::string>>();
    if (json.contains("variants")) {
      for (const Json& v : json["variants"]) {
        QEVAL_TRY(SelfcheckVariant variant, variant_from(task, v));
        plan.variants.push_back(std::move(variant));
      }
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

Status write_fixtures(const std::string& folder) {
  for (const Asset& asset : shipped_assets()) {
    if (asset.path.rfind(kFixtures, 0) != 0) continue;
    std::filesystem::path path = std::filesystem::path(folder) / asset.path.substr(kFixtures.size());
    QEVAL_CHECK(make_directories(path.parent_path().string()));
    QEVAL_CHECK(write_file_atomic(path.string(), asset.content));
  }
  return {};
}

}  // namespace qeval
