// For tests/cli/test_bfcl_package.py: a JSON request a line in, a JSON verdict a line out.
//   {"op": "answer", functions, accepted, category, language, syntax, underscored, text} → {valid, class, detail, decoded}
//   {"op": "calls", functions, accepted, category, language, underscored, calls: [{name, arguments}]} → {valid, class, detail}
//   {"op": "doc", doc} → {tools, docs, prompt}: how the doc is asked
//   {"op": "turns_doc", doc} → {tools, docs, added, prompt}: how a multi-turn doc is asked
//   {"op": "turns", python, backend ("" = the best), id, initial_config, involved_classes, turns, accepted} → {valid, error_type, results}
#include <iostream>
#include <memory>
#include <string>

#include "qeval/bfcl/bfcl_tools.h"
#include "qeval/core/tool_call.h"
#include "qeval/task/bfcl.h"
#include "qeval/tools/ast_check.h"
#include "qeval/tools/offer_tools.h"
#include "qeval/tools/parse_calls.h"

namespace qeval {
namespace {

Json verdict(const Json& request, const std::vector<Call>& calls, std::optional<CallFault> fault, bool decoded) {
  AstCheck check;
  check.category = *call_category_from(json_string(request, "category"));
  check.language = *call_language_from(json_string(request, "language"));
  check.underscored_names = json_bool(request, "underscored");
  if (!fault) fault = check_calls(check, request["functions"], calls, request["accepted"]);
  return {{"valid", !fault}, {"class", fault ? to_string(fault->failure_class) : "correct"}, {"detail", fault ? fault->detail : ""}, {"decoded", decoded}};
}

Json answer(const Json& request) {
  ParsedCalls parsed = parse_calls(json_string(request, "text"), *call_syntax_from(json_string(request, "syntax")), tool_list(request["functions"]));
  return verdict(request, parsed.calls, parsed.fault, !parsed.fault && !parsed.calls.empty());
}

Json planned(const Json& request) {
  std::vector<Call> calls;
  for (const Json& call : request["calls"]) calls.push_back({json_string(call, "name"), py_value_of(call["arguments"])});
  return verdict(request, calls, std::nullopt, true);
}

Json doc(const Json& request) {
  auto docs = bfcl_docs({request["doc"]});
  if (!docs) return {{"error", docs.error().message}};
  const Json& made = docs->front();
  std::vector<Message> messages;
  for (const Json& message : made["messages"]) messages.push_back({json_string(message, "role"), json_string(message, "content"), nullptr});
  OfferedTools offered = offer_tools(std::move(messages), made["tools"], made["docs"], ToolMode::prompt);
  return {{"tools", made["tools"]}, {"docs", made["docs"]}, {"prompt", offered.chat.messages[0].content}, {"gold", made["gold"]}};
}

Json turns_doc(const Json& request) {
  auto docs = bfcl_multi_turn_docs({request["doc"]});
  if (!docs) return {{"error", docs.error().message}};
  const Json& made = docs->front();
  OfferedTools offered = offer_tools({{"user", "x", nullptr}}, made["tools"], made["docs"], ToolMode::prompt);
  Json more = Json::object();
  if (made.contains("added"))
    for (const auto& [turn, added] : made["added"].items()) more[turn] = {{"docs", added["docs"]}, {"tools", added["tools"]}, {"prompt", more_tools(added["tools"], added["docs"], ToolMode::prompt).content}};
  return {{"tools", made["tools"]}, {"docs", made["docs"]}, {"added", more}, {"prompt", offered.chat.messages[0].content}};
}

Json turns(const Json& request) {
  static const std::unique_ptr<OutsideTools> tools = make_bfcl_tools({json_string(request, "python"), false, json_string(request, "backend")});
  Json scenario = {{"id", request["id"]}, {"initial_config", request["initial_config"]}, {"involved_classes", request["involved_classes"]}};
  auto ran = tools->carry_out(scenario, request["turns"]);
  if (!ran) return {{"error", ran.error().message}};
  auto verdict = tools->judge(scenario, request["turns"], request["accepted"]);
  if (!verdict) return {{"error", verdict.error().message}};
  const std::optional<CallFault>& fault = ran->fault ? ran->fault : verdict->fault;
  return {{"valid", verdict->valid}, {"error_type", verdict->error_type}, {"results", ran->results}, {"turn", verdict->turn},
          {"explanation", verdict->explanation}, {"fault", fault ? Json(to_string(fault->failure_class)) : Json()}};
}

}  // namespace
}  // namespace qeval

int main() {
  using namespace qeval;
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    auto request = parse_json(line);
    Json out = {{"error", "no request"}};
    if (request) {
      std::string op = json_string(*request, "op");
      out = op == "answer" ? answer(*request) : op == "calls" ? planned(*request) : op == "turns" ? turns(*request) : op == "turns_doc" ? turns_doc(*request) : doc(*request);
    }
    std::cout << dump_json(out) << '\n';
  }
}
