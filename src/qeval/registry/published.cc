#include "qeval/registry/published.h"

#include <fmt/format.h>

#include "qeval/registry/yaml_fields.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"

namespace qeval {
namespace {

// One table: settings shared by all rows, then per weights the value of each column.
Status add_table(const Json& table, const std::string& file, std::vector<PublishedScore>& out) {
  if (!table.is_object()) return bad_input(fmt::format("{}: each table is a map of keys", file));
  std::string where = fmt::format("{}: {}", file, json_string(table, "source", "a table without source"));
  if (!table.contains("columns") || !table.contains("rows"))
    return bad_input(where + ": keys columns and rows were expected");
  if (!table["columns"].is_array() || !table["rows"].is_object())
    return bad_input(where + ": columns: a list, rows: a map from weights to values were expected");
  double scale = json_number(table, "scale", 100);
  for (const auto& [hf_id, values] : table["rows"].items()) {
    if (!values.is_array() || values.size() != table["columns"].size())
      return bad_input(fmt::format("{}: {}: {} values were expected", where, hf_id, table["columns"].size()));
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].is_null()) continue;
      if (!values[i].is_number())
        return bad_input(fmt::format("{}: {}: value {} is not a number", where, hf_id, i + 1));
      const Json& column = table["columns"][i];
      PublishedScore score;
      score.hf_id = hf_id;
      score.source = json_string(table, "source");
      score.settings = json_string(table, "settings");
      FieldReader fields(column, where);
      fields.text("family", score.task_family);
      fields.text("task", score.task);
      fields.text("metric", score.metric);
      fields.text("filter", score.filter);
      fields.integer("num_fewshot", score.num_fewshot);
      bool chat = false;
      fields.flag("chat_template", chat);
      QEVAL_CHECK(fields.finish());
      if (column.contains("chat_template")) score.chat_template = chat;
      score.value = values[i].get<double>() / (score.task_family == "mt_bench" ? 1 : scale);
      out.push_back(std::move(score));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<PublishedScore>> parse_published(const std::string& text, const std::string& file) {
  QEVAL_TRY(Json yaml, parse_yaml(text, file));
  if (!yaml.is_object() || !yaml.contains("tables") || !yaml["tables"].is_array())
    return bad_input(fmt::format("{}: a list under the key “tables” was expected", file));
  std::vector<PublishedScore> out;
  for (const Json& table : yaml["tables"]) {
    QEVAL_CHECK(add_table(table, file, out));
  }
  return out;
}

Result<std::vector<PublishedScore>> load_published() {
  constexpr const char* kFile = "reference/published.yaml";
  auto text = find_asset(kFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kFile));
  return parse_published(std::string(*text), kFile);
}

}  // namespace qeval
