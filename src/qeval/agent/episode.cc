#include "qeval/agent/episode.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/turn.h"
#include "qeval/text/unicode.h"

namespace qeval::agent {
namespace {

constexpr size_t kMaxCallsPerTurn = 16;
constexpr size_t kMaxTextBack = 4000;  // bytes of an answer that go back into the conversation
constexpr size_t kMaxSaid = 20000;     // bytes of a message that are looked at

constexpr const char* kConduct =
    "You work for a user with the tools that you are given.\n"
    "- Do what the user asks, completely, and nothing else: change only what is needed for it.\n"
    "- Call tools to find out and to act; never make up ids, values or results.\n"
    "- If something that you need is missing and no tool can tell it, ask the user before you change anything.\n"
    "- If no tool can do what is asked, or the rules below do not allow it, say so plainly.\n"
    "- If a tool fails, try again once or twice where that can help; otherwise tell the user.\n"
    "- When the work is done, tell the user the result in one or two sentences, without a tool call.";

std::vector<std::string> texts(const Json& doc, const char* key) {
  if (!doc.contains(key) || doc[key].is_null()) return {};
  return doc[key].get<std::vector<std::string>>();
}

std::string system_text(const Json& doc, const Workflow& workflow, const World& world, const Json& tools) {
  std::string out = workflow.instruction.empty() ? kConduct : workflow.instruction;
  out += "\n\n" + world.policy;
  std::string protocol = protocol_text(workflow.protocol, tools);
  if (!protocol.empty()) out += "\n\n" + protocol;
  std::string today = json_string(doc["state"], "today");
  if (!today.empty()) out += (protocol.empty() ? "\n" : "\n\n") + ("Today is " + today + ".");
  return out;
}

}  // namespace

const char* to_string(End end) {
  switch (end) {
    case End::running: return "running";
    case End::conversation_over: return "conversation over";
    case End::step_limit: return "step budget spent";
    case End::invalid_calls: return "too many invalid calls";
    case End::truncated: return "cut by the token limit";
    case End::unfinished_thinking: return "thinking not finished";
    case End::context_full: return "the conversation no longer fits the context";
  }
  return "unknown";
}

const char* to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::native: return "native";
    case Protocol::described: return "described";
    case Protocol::prompt: return "prompt";
    case Protocol::constrained: return "constrained";
  }
  return "unknown";
}

std::optional<Protocol> protocol_from(std::string_view name) {
  for (Protocol protocol : {Protocol::native, Protocol::described, Protocol::prompt, Protocol::constrained})
    if (name == to_string(protocol)) return protocol;
  return std::nullopt;
}

Json to_json(const Workflow& w) {
  return {{"protocol", to_string(w.protocol)}, {"instruction", w.instruction}, {"invalid_retries", w.invalid_retries}, {"max_steps", w.max_steps}};
}

Result<Workflow> workflow_from_json(const Json& json) {
  Workflow out;
  if (json.is_null()) return out;
  if (!json.is_object()) return fail(ErrorKind::usage, "agent settings: KEY=VALUE was expected");
  for (const auto& [key, value] : json.items()) {
    auto whole = [&](int64_t least, int64_t most) { return value.is_number_integer() && value >= least && value <= most; };
    if (key == "protocol") {
      auto protocol = protocol_from(value.is_string() ? value.get<std::string>() : "");
      if (!protocol) return fail(ErrorKind::usage, fmt::format("agent.protocol: native, described, prompt or constrained was expected, not {}", dump_json(value)));
      out.protocol = *protocol;
    } else if (key == "instruction") {
      if (!value.is_string()) return fail(ErrorKind::usage, "agent.instruction: a text was expected");
      out.instruction = value.get<std::string>();
    } else if (key == "invalid_retries") {
      if (!whole(0, 50)) return fail(ErrorKind::usage, fmt::format("agent.invalid_retries: 0 to 50 was expected, not {}", dump_json(value)));
      out.invalid_retries = value.get<int>();
    } else if (key == "max_steps") {
      if (!whole(0, 200)) return fail(ErrorKind::usage, fmt::format("agent.max_steps: 0 (the task's own) to 200 was expected, not {}", dump_json(value)));
      out.max_steps = value.get<int>();
    } else {
      return fail(ErrorKind::usage, fmt::format("agent.{}: unknown setting; known: protocol, instruction, invalid_retries, max_steps", key));
    }
  }
  return out;
}

Episode::Episode(const Json& doc, const Workflow& workflow)
    : doc_(doc), workflow_(workflow), world_(*find_world(json_string(doc, "world"))), hidden_(texts(doc, "hidden_tools")) {
  tools_ = tool_list(world_, hidden_);
  max_steps_ = workflow_.max_steps > 0 ? workflow_.max_steps : static_cast<int>(doc["max_steps"].get<int64_t>());
  log_.state = doc["state"];
  messages_.push_back({"system", system_text(doc, workflow_, world_, tools_), nullptr});
  messages_.push_back({"user", doc["user"][0]["say"].get<std::string>(), nullptr});
  answers_used_.assign(doc["user"][0].value("answers", Json::array()).size(), false);
}

void Episode::take(const ModelTurn& turn) {
  ++log_.n_steps;
  if (turn.context_full || turn.unfinished_thinking) {
    log_.end = turn.context_full ? End::context_full : End::unfinished_thinking;
    return;
  }
  // A complete call is worth running even where the text after it was cut.
  if (turn.cut && turn.calls.empty()) {
    log_.end = End::truncated;
    if (!turn.said.empty()) log_.said.push_back(turn.said.substr(0, kMaxSaid));
    return;
  }
  bool invalid = !turn.invalid.empty();
  if (invalid) ++log_.n_unreadable;
  if (turn.calls.empty() && !invalid) {
    hear(turn);
    end_if_due(false);
    return;
  }
  size_t before = log_.calls.size();
  run_calls(turn);
  for (size_t i = before; i < log_.calls.size(); ++i) invalid = invalid || is_invalid_call(log_.calls[i].error_code);
  end_if_due(invalid);
}

void Episode::end_if_due(bool invalid) {
  n_invalid_in_a_row_ = invalid ? n_invalid_in_a_row_ + 1 : 0;
  if (finished()) return;
  if (n_invalid_in_a_row_ > workflow_.invalid_retries) log_.end = End::invalid_calls;
  else if (log_.n_steps >= max_steps_) log_.end = End::step_limit;
}

void Episode::run_calls(const ModelTurn& turn) {
  if (!turn.said.empty()) log_.said.push_back(turn.said.substr(0, kMaxSaid));
  size_t n = std::min(turn.calls.size(), kMaxCallsPerTurn);
  std::vector<Call> calls(turn.calls.begin(), turn.calls.begin() + static_cast<ptrdiff_t>(n));
  std::string text = valid_utf8(turn.text.substr(0, kMaxTextBack));
  if (calls.empty()) {
    messages_.push_back({"assistant", text, nullptr});
    add_reply("call_0", "invalid", failed_call({"invalid_call", turn.invalid}).reply);
    return;
  }
  Json listed = template_calls(calls, next_call_id_);
  // Without a slot for calls the template would drop them: there the model reads its own words.
  if (workflow_.protocol == Protocol::native) messages_.push_back({"assistant", valid_utf8(turn.said.substr(0, kMaxTextBack)), {{"tool_calls", listed}}});
  else messages_.push_back({"assistant", text, nullptr});
  for (size_t i = 0; i < n; ++i) {
    CallOutcome outcome = execute(calls[i]);
    Json content = std::move(outcome.reply);
    if (i + 1 == n && turn.calls.size() > n) content["note"] = fmt::format("only the first {} calls of a turn are run", n);
    if (i + 1 == n && !turn.invalid.empty()) content["note"] = "another call in this turn could not be read: " + turn.invalid;
    add_reply(listed[i]["id"].get<std::string>(), calls[i].name, content);
  }
}

void Episode::add_reply(const std::string& id, const std::string& name, const Json& content) {
  messages_.push_back({"tool", dump_json(content), {{"tool_call_id", id}, {"name", name}}});
}

CallOutcome Episode::execute(const Call& call) {
  CallOutcome outcome;
  if (std::find(hidden_.begin(), hidden_.end(), call.name) != hidden_.end()) {
    outcome = failed_call({"unknown_tool", fmt::format("there is no tool {}", quote(call.name))});
  } else if (auto fault = world_.find(call.name) ? planted_fault(call.name) : std::nullopt) {
    outcome = failed_call(*fault);
  } else {
    outcome = call_tool(world_, call.name, call.arguments, log_.state);
  }
  log_.calls.push_back({call.name, call.arguments, outcome.error_code, outcome.changed, !answered_});
  return outcome;
}

// Counts calls of the tool, whatever their arguments, so that the model cannot avoid the fault.
std::optional<ToolError> Episode::planted_fault(const std::string& tool) {
  auto it = std::find_if(n_calls_of_.begin(), n_calls_of_.end(), [&](const auto& entry) { return entry.first == tool; });
  if (it == n_calls_of_.end()) it = n_calls_of_.insert(n_calls_of_.end(), {tool, 0});
  int n = ++it->second;
  for (const Json& fault : doc_.value("faults", Json::array())) {
    if (fault["tool"] != tool) continue;
    const Json& calls = fault["calls"];
    if (calls.empty() || std::find(calls.begin(), calls.end(), n) != calls.end())
      return ToolError{fault["code"].get<std::string>(), fault["message"].get<std::string>()};
  }
  return std::nullopt;
}

void Episode::hear(const ModelTurn& turn) {
  const std::string said = turn.said.substr(0, kMaxSaid);
  log_.said.push_back(said);
  messages_.push_back({"assistant", valid_utf8(turn.text.substr(0, kMaxTextBack)), nullptr});
  if (auto reply = user_reply(said)) {
    messages_.push_back({"user", *reply, nullptr});
  } else {
    log_.end = End::conversation_over;
  }
}

// The scripted user: an answer whose word occurs, else once a turn a nudge for any other question, else the next turn.
std::optional<std::string> Episode::user_reply(const std::string& said) {
  const Json& turn = doc_["user"][user_turn_];
  const Json answers = turn.value("answers", Json::array());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers_used_[i]) continue;
    for (const Json& word : answers[i]["about"]) {
      if (!contains_ignoring_case(said, word.get<std::string>())) continue;
      answers_used_[i] = answered_ = true;
      return answers[i]["say"].get<std::string>();
    }
  }
  std::string nudge = json_string(turn, "nudge");
  if (!nudge.empty() && !nudge_used_ && said.find('?') != std::string::npos) {
    nudge_used_ = true;
    return nudge;
  }
  if (++user_turn_ >= doc_["user"].size()) return std::nullopt;
  nudge_used_ = false;
  answers_used_.assign(doc_["user"][user_turn_].value("answers", Json::array()).size(), false);
  return doc_["user"][user_turn_]["say"].get<std::string>();
}

}  // namespace qeval::agent
