#include "qeval/agent/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "qeval/agent/scenario.h"
#include "qeval/agent/world.h"
#include "qeval/util/hash.h"

namespace qeval::agent {
namespace {

constexpr int64_t kMaxTasks = 10000;

std::string pointer(const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    out += '/';
    for (char c : key) {
      if (c == '~') out += "~0";
      else if (c == '/') out += "~1";
      else out += c;
    }
  }
  return out;
}

uint64_t stream_seed(const std::string& world, const std::string& name, uint64_t seed) {
  std::string hex = sha256_hex(fmt::format("qeval_agents/{}/{}/{}/{}", kTasksVersion, world, name, seed));
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

const std::vector<TaskTemplate>* templates_of(const std::string& world) {
  if (world == "files") return &files_templates();
  if (world == "office") return &office_templates();
  if (world == "shop") return &shop_templates();
  if (world == "tickets") return &tickets_templates();
  return nullptr;
}

Status expect(bool fits, const char* field, const char* expected) {
  if (fits) return {};
  return bad_input(fmt::format("{}: {} was expected", field, expected));
}

bool is_list_of(const Json& value, bool (*test)(const Json&)) {
  return value.is_array() && std::all_of(value.begin(), value.end(), test);
}
bool is_text(const Json& value) { return value.is_string(); }
bool is_text_list(const Json& value) { return is_list_of(value, is_text); }
const Json& at(const Json& doc, const char* key) {
  static const Json null;
  auto it = doc.find(key);
  return it == doc.end() ? null : *it;
}
bool is_absent(const Json& doc, const char* key) { return at(doc, key).is_null(); }

bool is_user_turn(const Json& turn) {
  if (!turn.is_object() || !at(turn, "say").is_string()) return false;
  if (!is_absent(turn, "nudge") && !turn["nudge"].is_string()) return false;
  return is_absent(turn, "answers") || is_list_of(turn["answers"], [](const Json& answer) {
           return answer.is_object() && is_text_list(at(answer, "about")) && at(answer, "say").is_string();
         });
}
bool is_fault(const Json& fault) {
  return fault.is_object() && at(fault, "tool").is_string() && at(fault, "code").is_string() && at(fault, "message").is_string() &&
         is_list_of(at(fault, "calls"), [](const Json& n) { return n.is_number_integer(); });
}
bool is_forbidden(const Json& rule) { return rule.is_object() && at(rule, "tool").is_string() && at(rule, "arguments").is_object(); }
bool is_call(const Json& call) { return call.is_object() && at(call, "name").is_string() && at(call, "arguments").is_object(); }
bool is_gold_turn(const Json& turn) {
  return turn.is_object() && (at(turn, "say").is_string() || (at(turn, "calls").is_array() && !turn["calls"].empty() && is_list_of(turn["calls"], is_call)));
}

// A patch that does not apply would otherwise be found when the last model has answered.
Status check_patches(const Json& doc) {
  for (const Json& patch : doc["accepted"]) {
    try {
      (void)doc["state"].patch(patch);
    } catch (const Json::exception& e) {
      return bad_input(fmt::format("accepted: {} does not apply to the state: {}", dump_json(patch).substr(0, 200), e.what()));
    }
  }
  return {};
}

}  // namespace

void Scenario::answer(const std::vector<std::string>& about, const std::string& text) {
  user_.back()["answers"].push_back({{"about", about}, {"say", text}});
}

void Scenario::fault(const std::string& tool, const std::vector<int>& calls, const std::string& message) {
  faults_.push_back({{"tool", tool}, {"calls", calls}, {"code", "unavailable"}, {"message", message}});
}

void Scenario::require_refusal() {
  require({"can't", "cannot", "can not", "could not", "couldn't", "not able", "unable", "not possible", "impossible", "not allowed",
           "isn't allowed", "not permitted", "won't", "will not", "must not", "not eligible", "don't have", "do not have", "no tool",
           "policy", "decline", "refuse", "not available", "unavailable", "failed"});
}

Json Scenario::document() const {
  Json accepted = accepted_.empty() ? Json::array({Json::array()}) : accepted_;
  return {{"state", state}, {"user", user_}, {"hidden_tools", hidden_}, {"faults", faults_}, {"ask_first", ask_first_},
          {"accepted", std::move(accepted)}, {"forbidden", forbidden_}, {"required", required_}, {"gold", gold_},
          {"max_steps", 2 * gold_.size() + 3}};
}

Json put(const std::vector<std::string>& keys, const Json& value) { return {{"op", "add"}, {"path", pointer(keys)}, {"value", value}}; }
Json drop(const std::vector<std::string>& keys) { return {{"op", "remove"}, {"path", pointer(keys)}}; }

const std::vector<std::string>& first_names() {
  static const std::vector<std::string> names = {"ada", "bruno", "carla", "dmitri", "elena", "farid", "grete", "hiro", "ines", "jonas",
                                                 "karim", "lucia", "mateo", "nadia", "oskar", "priya", "quentin", "rosa", "sven", "tara"};
  return names;
}

std::string capitalised(std::string word) {
  if (!word.empty() && word[0] >= 'a' && word[0] <= 'z') word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return word;
}

Result<std::vector<Json>> generate_tasks(const std::string& world, int64_t n, uint64_t seed) {
  const std::vector<TaskTemplate>* templates = templates_of(world);
  if (!templates) return bad_input(fmt::format("world: files, office, shop or tickets was expected, not '{}'", world));
  if (n < 1 || n > kMaxTasks) return bad_input(fmt::format("n: 1 to {} was expected, not {}", kMaxTasks, n));
  // Each template has its own stream, so that a new one does not change the others.
  std::vector<PyRandom> streams;
  for (const TaskTemplate& t : *templates) streams.emplace_back(stream_seed(world, t.name, seed));
  std::vector<Json> out;
  for (int64_t i = 0; i < n; ++i) {
    size_t which = static_cast<size_t>(i) % templates->size();
    Scenario scenario;
    (*templates)[which].fill(streams[which], scenario);
    Json doc = {{"id", fmt::format("{}/{}", world, i)}, {"world", world}, {"template", (*templates)[which].name}, {"kind", (*templates)[which].kind}};
    doc.update(scenario.document());
    out.push_back(std::move(doc));
  }
  return out;
}

Status check_document(const Json& doc) {
  QEVAL_CHECK(expect(doc.is_object(), "document", "a JSON object"));
  const World* world = find_world(json_string(doc, "world"));
  QEVAL_CHECK(expect(world != nullptr, "world", "files, office, shop or tickets"));
  QEVAL_CHECK(expect(at(doc, "template").is_string(), "template", "a name (tasks that share one are not independent)"));
  QEVAL_CHECK(expect(at(doc, "state").is_object(), "state", "the world's state"));
  QEVAL_CHECK(expect(is_list_of(at(doc, "user"), is_user_turn) && !doc["user"].empty(), "user", "a list of turns {say, answers, nudge}"));
  QEVAL_CHECK(expect(is_absent(doc, "hidden_tools") || is_text_list(doc["hidden_tools"]), "hidden_tools", "a list of names"));
  QEVAL_CHECK(expect(is_absent(doc, "faults") || is_list_of(doc["faults"], is_fault), "faults", "a list of {tool, calls, code, message}"));
  QEVAL_CHECK(expect(is_list_of(at(doc, "accepted"), [](const Json& p) { return p.is_array(); }) && !doc["accepted"].empty(), "accepted", "a list of JSON Patches"));
  QEVAL_CHECK(expect(is_absent(doc, "forbidden") || is_list_of(doc["forbidden"], is_forbidden), "forbidden", "a list of {tool, arguments}"));
  QEVAL_CHECK(expect(is_absent(doc, "required") || is_list_of(doc["required"], is_text_list), "required", "a list of lists of texts"));
  QEVAL_CHECK(expect(is_absent(doc, "gold") || is_list_of(doc["gold"], is_gold_turn), "gold", "a list of {calls} or {say}"));
  QEVAL_CHECK(expect(at(doc, "max_steps").is_number_integer() && doc["max_steps"] > 0 && doc["max_steps"] <= 200, "max_steps", "1 to 200"));
  return check_patches(doc);
}

}  // namespace qeval::agent
