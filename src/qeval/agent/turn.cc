#include "qeval/agent/turn.h"

#include <fmt/format.h>

#include "qeval/text/unicode.h"
#include "qeval/tools/json_text.h"
#include "qeval/tools/parse_calls.h"

namespace qeval::agent {
namespace {

constexpr std::string_view kThinkStart = "<think>", kThinkEnd = "</think>";

bool in_json(Protocol protocol) { return protocol == Protocol::prompt || protocol == Protocol::constrained; }

// {"message": text}: how a constrained answer speaks to the user.
std::optional<std::string> message_of(std::string_view text) {
  if (text.empty() || text[0] != '{') return std::nullopt;
  JsonReading reading = read_json(text);
  if (reading.fault || !reading.value.is(PyValue::Kind::dict)) return std::nullopt;
  const PyValue* message = reading.value.find("message");
  return message && message->is(PyValue::Kind::text) && reading.value.keys.size() == 1 ? std::optional(message->text) : std::nullopt;
}

bool is_no_call(const CallFault& fault) { return fault.failure_class == FailureClass::no_call || fault.failure_class == FailureClass::prose; }

void read_calls(const std::string& text, const Json& tools, Protocol protocol, ModelTurn& turn) {
  ParsedCalls parsed = parse_calls(text, in_json(protocol) ? CallSyntax::json : CallSyntax::native, tools);
  for (const qeval::Call& call : parsed.calls) turn.calls.push_back({call.name, call.arguments_json()});
  bool plain = parsed.calls.empty() && (!parsed.fault || is_no_call(*parsed.fault));
  if (parsed.fault && !plain) turn.invalid = fmt::format("{}: {}", to_string(parsed.fault->failure_class), parsed.fault->detail);
  turn.said = plain ? text : in_json(protocol) ? "" : parsed.content;
}

}  // namespace

Thought split_thought(std::string_view answer, bool thinks, bool cut) {
  Thought out{"", answer, false};
  size_t end = answer.rfind(kThinkEnd), start = answer.rfind(kThinkStart);
  if (end != std::string_view::npos && (start == std::string_view::npos || start < end)) {
    size_t begin = start == std::string_view::npos ? 0 : start + kThinkStart.size();
    out.reasoning = answer.substr(begin, end - begin);
    out.after = answer.substr(end + kThinkEnd.size());
  } else if (start != std::string_view::npos || (thinks && cut)) {
    out = {answer, "", true};
  }
  return out;
}

Json template_calls(const std::vector<Call>& calls, int& next_id) {
  Json out = Json::array();
  for (const Call& call : calls)
    out.push_back({{"id", fmt::format("call_{}", next_id++)}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return out;
}

ModelTurn read_turn(std::string_view answer, const Json& tools, Protocol protocol, bool cut, bool thinks) {
  ModelTurn turn;
  turn.cut = cut;
  const Thought thought = split_thought(answer, thinks, cut);
  turn.unfinished_thinking = thought.unfinished;
  if (thought.unfinished) return turn;
  const std::string_view after = thought.after;
  if (after.size() > kMaxAnswer) {
    turn.said = turn.text = valid_utf8(after.substr(0, kMaxAnswer));
    turn.invalid = fmt::format("the answer is longer than {} bytes", kMaxAnswer);
    return turn;
  }
  std::string text = py_strip(valid_utf8(after));
  turn.text = text;
  if (auto message = in_json(protocol) ? message_of(text) : std::nullopt) turn.said = *message;
  else read_calls(text, tools, protocol, turn);
  return turn;
}

std::string protocol_text(Protocol protocol, const Json& tools) {
  if (protocol == Protocol::native) return "";
  std::string out = "You may call these tools:\n<tools>\n";
  for (const Json& tool : tools) out += dump_json(tool["function"]) + "\n";
  out += "</tools>\n";
  if (protocol == Protocol::described)
    return out +
           "To call a tool, write this, once for each call:\n<tool_call>\n{\"name\": NAME, \"arguments\": {…}}\n</tool_call>\n"
           "The result comes back in the next message. Text without a call goes to the user.";
  out +=
      "To call tools, answer with a JSON list and nothing else: [{\"name\": NAME, \"arguments\": {…}}, …]. "
      "The results come back in the next messages. ";
  return out + (protocol == Protocol::prompt ? "Any other answer goes to the user as it is."
                                             : "To speak to the user, answer with {\"message\": TEXT} and nothing else.");
}

Json answer_schema(const Json& tools) {
  Json calls = Json::array();
  for (const Json& tool : tools) {
    Json arguments = tool["function"]["parameters"];
    arguments["additionalProperties"] = false;
    calls.push_back({{"type", "object"},
                     {"properties", {{"name", {{"const", tool["function"]["name"]}}}, {"arguments", arguments}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  Json message = {{"type", "object"}, {"properties", {{"message", {{"type", "string"}}}}}, {"required", Json::array({"message"})}, {"additionalProperties", false}};
  if (calls.empty()) return message;
  Json list = {{"type", "array"}, {"items", {{"anyOf", calls}}}, {"minItems", 1}, {"maxItems", 8}};
  return {{"anyOf", Json::array({list, message})}};
}

}  // namespace qeval::agent
