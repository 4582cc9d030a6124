#include "qeval/agent/baseline.h"

#include <algorithm>

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

void drop_last_call(Json& turns) {
  for (size_t i = turns.size(); i-- > 0;) {
    if (!turns[i].contains("calls")) continue;
    turns[i]["calls"].erase(turns[i]["calls"].size() - 1);
    if (turns[i]["calls"].empty()) turns.erase(i);
    return;
  }
}

// A change that no task of the world asks for.
Json needless_calls(const Json& doc) {
  const Json& state = doc["state"];
  auto first = [&](const char* kind) { return state[kind].begin().key(); };
  auto one = [](const char* name, const Json& arguments) { return Json::array({{{"name", name}, {"arguments", arguments}}}); };
  std::string world = json_string(doc, "world");
  if (world == "files") return one("write_file", {{"path", "/needless.txt"}, {"content", "x"}});
  if (world == "office") return one("create_event", {{"title", "Needless"}, {"date", "2027-01-01"}, {"start", "08:00"}, {"end", "08:30"}});
  if (world == "shop") return one("add_note", {{"order_id", first("orders")}, {"text", "needless"}});
  return one("add_tag", {{"ticket_id", first("tickets")}, {"tag", "needless"}});
}

}  // namespace

const char* to_string(BaselineKind kind) {
  switch (kind) {
    case BaselineKind::gold: return "gold";
    case BaselineKind::do_nothing: return "do-nothing";
    case BaselineKind::silent: return "silent";
    case BaselineKind::careless: return "careless";
    case BaselineKind::eager: return "eager";
    case BaselineKind::random: return "random";
  }
  return "unknown";
}

Baseline::Baseline(BaselineKind kind, const Json& doc, uint64_t seed) : kind_(kind), random_(seed_of(doc, seed)) {
  if (kind == BaselineKind::random) collect(doc["state"], words_);
  if (kind == BaselineKind::gold || kind == BaselineKind::careless || kind == BaselineKind::eager) turns_ = doc.value("gold", Json::array());
  if (kind == BaselineKind::careless) drop_last_call(turns_);
  if (kind == BaselineKind::eager) {
    const Json first = {{"calls", needless_calls(doc)}};
    turns_.insert(turns_.begin(), first);
  }
}

std::string Baseline::answer(const Json& tools) {
  if (kind_ == BaselineKind::do_nothing) return "Done.";
  if (kind_ == BaselineKind::random) return random_answer(tools);
  if (next_ >= turns_.size()) return "";
  const Json& turn = turns_[next_++];
  return turn.contains("say") ? turn["say"].get<std::string>() : text_of_calls(turn["calls"]);
}

std::string Baseline::random_answer(const Json& tools) {
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
