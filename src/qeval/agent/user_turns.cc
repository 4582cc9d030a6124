#include "qeval/agent/user_turns.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/conversation.h"
#include "qeval/agent/turn.h"
#include "qeval/text/unicode.h"

namespace qeval::agent {
namespace {

// One answer of the model, read as its request asked for it.
struct Step {
  std::string text;                      // after the reasoning
  std::string said;                      // the text outside of the calls (native)
  std::string reasoning;
  std::vector<qeval::Call> calls;
  CallFault end{FailureClass::no_call, ""};  // why there is no call
};

ToolMode mode_of(const Request& request) {
  if (!request.json_schema.empty()) return ToolMode::constrained;
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  return chat && !chat->tools.is_null() ? ToolMode::native : ToolMode::prompt;
}

CallSyntax syntax_of(ToolMode mode) {
  return mode == ToolMode::native ? CallSyntax::native : mode == ToolMode::prompt ? CallSyntax::python : CallSyntax::json;
}

const Json* added_at(const Json& doc, size_t turn) {
  auto added = doc.find("added");
  if (added == doc.end() || !added->is_object()) return nullptr;
  auto found = added->find(std::to_string(turn));
  return found == added->end() ? nullptr : &*found;
}

void add_tools_of(const Json& doc, size_t turn, Json& tools) {
  if (const Json* added = added_at(doc, turn))
    for (const Json& tool : (*added)["tools"]) tools.push_back(tool);
}

Json tools_until(const Json& doc, size_t turn) {
  Json tools = doc["tools"];
  for (size_t i = 0; i <= turn; ++i) add_tools_of(doc, i, tools);
  return tools;
}

int n_results(const ChatPrompt& chat) {
  return static_cast<int>(std::count_if(chat.messages.begin(), chat.messages.end(), [](const Message& m) { return m.role == "tool"; }));
}

Step read_step(const Request& request, const Response& response, const Json& tools) {
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  const bool cut = response.finish == FinishReason::length;
  const Thought thought = split_thought(response.text, chat && chat->enable_thinking.value_or(false), cut);
  Step out;
  out.reasoning = py_strip(valid_utf8(thought.reasoning));
  if (thought.unfinished) {
    out.end = {FailureClass::unfinished_thinking, "the thinking never ended"};
    return out;
  }
  out.text = py_strip(valid_utf8(thought.after.substr(0, kMaxAnswer)));
  if (thought.after.size() > kMaxAnswer) {
    out.end = {FailureClass::prose, fmt::format("the answer is longer than {} bytes", kMaxAnswer)};
    return out;
  }
  const ToolMode mode = mode_of(request);
  ParsedCalls parsed = parse_calls(out.text, syntax_of(mode), tools);
  // Native calls that can be read are made, whatever stands beside them; a list of calls is read whole or not at all.
  if (mode == ToolMode::native || !parsed.fault) out.calls = std::move(parsed.calls);
  out.said = mode == ToolMode::native && !out.calls.empty() ? parsed.content : out.text;
  if (parsed.fault) out.end = *parsed.fault;
  if (cut && out.calls.empty()) out.end = {FailureClass::truncated, "cut by the token limit"};
  return out;
}

Json step_json(const std::vector<qeval::Call>& calls) {
  Json out = Json::array();
  for (const qeval::Call& call : calls) out.push_back({{"name", call.name}, {"arguments", call.arguments_json()}});
  return out;
}

void add_answer(const Step& step, ToolMode mode, ChatPrompt& chat) {
  Message message{"assistant", step.said, nullptr};
  if (mode == ToolMode::native && !step.calls.empty()) {
    std::vector<Call> calls;
    for (const qeval::Call& call : step.calls) calls.push_back({call.name, call.arguments_json()});
    int next_id = n_results(chat) + 1;
    message.extra["tool_calls"] = template_calls(calls, next_id);
  }
  if (!step.reasoning.empty()) message.extra["reasoning_content"] = step.reasoning;
  chat.messages.push_back(std::move(message));
}

void add_results(const Step& step, const Json& results, ToolMode mode, ChatPrompt& chat) {
  const int n_before = n_results(chat);
  for (size_t i = 0; i < step.calls.size() && i < results.size(); ++i) {
    std::string name = mode == ToolMode::native ? step.calls[i].name : calls_text({step.calls[i]});
    chat.messages.push_back({"tool", results[i].get<std::string>(), {{"tool_call_id", fmt::format("call_{}", n_before + static_cast<int>(i) + 1)}, {"name", name}}});
  }
}

std::vector<Message> messages_of(const Json& turn) {
  std::vector<Message> out;
  for (const Json& message : turn) out.push_back({json_string(message, "role"), json_string(message, "content"), nullptr});
  return out;
}

// The user's next turn, and the functions that come with it.
void open_turn(const Json& doc, size_t turn, Request& request, ChatPrompt& chat) {
  const ToolMode mode = mode_of(request);
  for (Message& message : messages_of(doc["turns"][turn])) chat.messages.push_back(std::move(message));
  const Json* added = added_at(doc, turn);
  if (!added) return;
  chat.messages.push_back(more_tools((*added)["tools"], (*added)["docs"], mode));
  Json tools = tools_until(doc, turn);
  if (mode == ToolMode::constrained) request.json_schema = dump_json(calls_schema(tools));
  if (mode == ToolMode::native) chat.tools = std::move(tools);
}

}  // namespace

Json scenario_of(const Json& doc) {
  return {{"id", doc["id"]}, {"initial_config", doc["initial_config"]}, {"involved_classes", doc["involved_classes"]}};
}

Status check_user_turns(const Json& doc) {
  for (const char* field : {"turns", "tools", "docs", "involved_classes", "ground_truth"})
    if (!doc.contains(field) || !doc[field].is_array()) return bad_input(fmt::format("the field '{}' is no list", field));
  for (const char* field : {"id", "initial_config"})
    if (!doc.contains(field)) return bad_input(fmt::format("the field '{}' is missing", field));
  if (doc["turns"].empty() || doc["turns"][0].empty()) return bad_input("the user says nothing");
  if (doc["turns"].size() != doc["ground_truth"].size())
    return bad_input(fmt::format("the user has {} turns, the answer {}", doc["turns"].size(), doc["ground_truth"].size()));
  return {};
}

int max_user_turn_requests(const Json& doc) { return static_cast<int>(doc["turns"].size()) * (kMaxStepsPerTurn + 1); }

Request first_request(const Json& doc, const UserTurnsOptions& options, const Request& like) {
  std::vector<Message> messages = messages_of(doc["turns"][0]);
  if (!options.system_instruction.empty()) messages.insert(messages.begin(), Message{"system", options.system_instruction, nullptr});
  OfferedTools offered = offer_tools(std::move(messages), doc["tools"], doc["docs"], options.mode);
  offered.chat.enable_thinking = options.enable_thinking;
  Request request = like;
  request.prompt = std::move(offered.chat);
  request.json_schema = std::move(offered.json_schema);
  return request;
}

UserTurnsLog read_user_turns(const Sample& sample, const std::vector<Response>& responses, int repeat) {
  UserTurnsLog log;
  log.turns.push_back(Json::array());
  const size_t n_turns = sample.doc["turns"].size();
  Json tools = tools_until(sample.doc, 0);
  for (size_t i = 0; i < std::min(sample.requests.size(), responses.size()); ++i) {
    if (sample.requests[i].repeat != repeat || log.end != UserTurnsLog::End::running) continue;
    const Response& response = responses[i];
    if (response.truncated_prompt || response.failure == EngineFailure::context_too_long) {
      log.end = UserTurnsLog::End::context_full;
      break;
    }
    if (response.failure != EngineFailure::none || response.finish == FinishReason::failed) break;
    ++log.n_steps;
    log.n_tokens += response.n_prompt_tokens + response.n_new_tokens;
    const size_t turn = log.turns.size() - 1;
    Step step = read_step(sample.requests[i], response, tools);
    if (!step.calls.empty()) {
      log.turns.back().push_back(step_json(step.calls));
      if (log.turns.back().size() > static_cast<size_t>(kMaxStepsPerTurn)) log.end = UserTurnsLog::End::step_limit;
      continue;
    }
    log.ends.push_back(std::move(step.end));
    if (turn + 1 == n_turns) {
      log.end = UserTurnsLog::End::over;
    } else {
      log.turns.push_back(Json::array());
      add_tools_of(sample.doc, turn + 1, tools);
    }
  }
  return log;
}

Result<std::vector<Request>> next_requests(const Sample& sample, const std::vector<Response>& responses, OutsideTools& tools) {
  std::vector<Request> out;
  for (int repeat = 0; repeat < n_repeats(sample); ++repeat) {
    size_t last = sample.requests.size();
    while (last > 0 && sample.requests[last - 1].repeat != repeat) --last;
    UserTurnsLog log = read_user_turns(sample, responses, repeat);
    if (last == 0 || log.end != UserTurnsLog::End::running) continue;
    Request next = sample.requests[--last];
    auto* chat = std::get_if<ChatPrompt>(&next.prompt);
    if (!chat) return fail(ErrorKind::internal, "a conversation was not asked as chat messages");
    const size_t turn = log.turns.size() - 1;
    const bool turn_is_new = log.turns.back().empty();
    const ToolMode mode = mode_of(next);
    Step step = read_step(next, responses[last], tools_until(sample.doc, turn_is_new && turn > 0 ? turn - 1 : turn));
    add_answer(step, mode, *chat);
    if (turn_is_new) {
      open_turn(sample.doc, turn, next, *chat);
    } else {
      QEVAL_TRY(OutsideRun ran, tools.carry_out(scenario_of(sample.doc), log.turns));
      if (ran.fault) continue;
      add_results(step, ran.results.back().back(), mode, *chat);
    }
    out.push_back(std::move(next));
  }
  return out;
}

}  // namespace qeval::agent
