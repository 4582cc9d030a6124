// Answers of a hostile model, separated by zero bytes, through parser, simulators, scripted user and verdict;
// and the same bytes as one tool's arguments.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "qeval/agent/tasks.h"
#include "qeval/agent/turn.h"
#include "qeval/agent/verdict.h"
#include "qeval/agent/world.h"

using namespace qeval;
using namespace qeval::agent;

namespace {

const std::vector<Json>& documents() {
  static const std::vector<Json> all = [] {
    std::vector<Json> out;
    for (const World& world : worlds()) {
      auto docs = generate_tasks(world.name, 13, 7);
      out.insert(out.end(), docs->begin(), docs->end());
    }
    return out;
  }();
  return all;
}

void require(bool holds) {
  if (!holds) std::abort();
}

void converse(const Json& doc, Protocol protocol, const std::string& text) {
  Workflow workflow;
  workflow.protocol = protocol;
  Episode first(doc, workflow), second(doc, workflow);
  for (size_t at = 0; at <= text.size() && !first.finished();) {
    size_t end = std::min(text.find('\0', at), text.size());
    std::string answer = text.substr(at, end - at);
    at = end + 1;
    first.take(read_turn(answer, first.tools(), protocol, false));
    second.take(read_turn(answer, second.tools(), protocol, false));
  }
  require(first.log().state == second.log().state && first.messages() == second.messages());
  Verdict verdict = judge(doc, first.log());
  require(verdict.n_invalid_calls <= verdict.n_calls);
  require(verdict.success == (verdict.failure_class == FailureClass::correct));
  for (const Message& message : first.messages()) require(message.content.size() < 200000);
}

void call_every_tool(const Json& doc, const std::string& text) {
  auto arguments = parse_json(text);
  if (!arguments) return;
  const World& world = *find_world(json_string(doc, "world"));
  for (const Tool& tool : world.tools) {
    Json state = doc["state"];
    CallOutcome outcome = call_tool(world, tool.name, *arguments, state);
    require(state.is_object() && state.size() == doc["state"].size());
    if (!outcome.ok() || !tool.writes) require(state == doc["state"]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Json& doc = documents()[data[0] % documents().size()];
  std::string text(reinterpret_cast<const char*>(data + 2), size - 2);
  converse(doc, static_cast<Protocol>(data[1] % 4), text);
  call_every_tool(doc, text);
  return 0;
}
