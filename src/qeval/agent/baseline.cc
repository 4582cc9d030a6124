#include "qeval/agent/baseline.h"

#include "qeval/core/tool_call.h"
#include "qeval/util/hash.h"

namespace qeval::agent {
namespace {

constexpr uint64_t kCallsOfTen = 7;  // turns of ten in which the random agent calls a tool

uint64_t seed_of(const Json& doc, uint64_t seed) {
  return std::stoull(sha256_hex(json_string(doc, "id") + ":" + std::to_string(seed)).substr(0, 16), nullptr, 16);
}

void collect(const Json& value, std::vector<std::string>& out) {
  if (value.is_string()) out.push_back(value.get<std::string>());
  for (const auto& [key, inside] : value.items()) {
    if (value.is_object()) out.push_back(key);
    if (value.is_structured()) collect(inside, out);
  }
}

std::string text_of_calls(const Json& calls) {
  std::vector<ServerToolCall> list;
  for (const Json& call : calls) list.push_back({"", call["name"].get<std::string>(), dump_json(call["arguments"])});
  return text_with_tool_calls("", list);
}

}  // namespace

const char* to_string(BaselineKind kind) {
  switch (kind) {
    case BaselineKind::gold: return "gold";
    case BaselineKind::do_nothing: return "do-nothing";
    case BaselineKind::random: return "random";
  }
  return "unknown";
}

Baseline::Baseline(BaselineKind kind, const Json& doc, uint64_t seed) : kind_(kind), doc_(doc), random_(seed_of(doc, seed)) {
  if (kind == BaselineKind::random) collect(doc["state"], words_);
}

std::string Baseline::answer(const Episode& episode) {
  if (kind_ == BaselineKind::do_nothing) return "Done.";
  if (kind_ == BaselineKind::random) return random_answer(episode);
  const Json gold = doc_.value("gold", Json::array());
  if (next_ >= gold.size()) return "";
  const Json& turn = gold[next_++];
  return turn.contains("say") ? turn["say"].get<std::string>() : text_of_calls(turn["calls"]);
}

std::string Baseline::random_answer(const Episode& episode) {
  const Json& tools = episode.tools();
  if (tools.empty() || random_.randbelow(10) >= kCallsOfTen) return "Done.";
  const Json& function = tools[random_.randbelow(tools.size())]["function"];
  Json arguments = Json::object();
  for (const auto& [name, schema] : function["parameters"]["properties"].items()) {
    const Json& required = function["parameters"]["required"];
    bool needed = std::find(required.begin(), required.end(), name) != required.end();
    if (needed || random_.randbelow(2) == 0) arguments[name] = random_value(schema);
  }
  return text_of_calls(Json::array({{{"name", function["name"]}, {"arguments", arguments}}}));
}

Json Baseline::random_value(const Json& schema) {
  if (schema.contains("enum")) return schema["enum"][random_.randbelow(schema["enum"].size())];
  std::string type = json_string(schema, "type");
  if (type == "integer") return random_.randint(1, 60);
  if (type == "boolean") return random_.randbelow(2) == 1;
  std::string word = words_.empty() ? "" : random_.choice(words_);
  return type == "array" ? Json::array({word}) : Json(word);
}

}  // namespace qeval::agent
