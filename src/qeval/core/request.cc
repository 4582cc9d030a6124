#include "qeval/core/request.h"

#include <fmt/format.h>

namespace qeval {

const char* to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop_string: return "stop_string";
    case FinishReason::end_of_turn: return "end_of_turn";
    case FinishReason::length: return "length";
    case FinishReason::scored: return "scored";
    case FinishReason::failed: return "failed";
    case FinishReason::cancelled: return "cancelled";
  }
  return "unknown";
}

const char* to_string(EngineFailure failure) {
  switch (failure) {
    case EngineFailure::none: return "none";
    case EngineFailure::context_too_long: return "context_too_long";
    case EngineFailure::engine_error: return "engine_error";
    case EngineFailure::out_of_memory: return "out_of_memory";
    case EngineFailure::timeout: return "timeout";
    case EngineFailure::rate_limited: return "rate_limited";
    case EngineFailure::connection: return "connection";
    case EngineFailure::bad_reply: return "bad_reply";
    case EngineFailure::unsupported: return "unsupported";
  }
  return "unknown";
}

Json to_json(const ChatPrompt& chat) {
  Json messages = Json::array();
  for (const Message& message : chat.messages) {
    Json item = {{"role", message.role}, {"content", message.content}};
    if (message.extra.is_object()) item.update(message.extra);
    messages.push_back(std::move(item));
  }
  Json out = {{"messages", std::move(messages)}};
  if (!chat.tools.is_null()) out["tools"] = chat.tools;
  if (chat.continue_final_message) out["continue_final_message"] = true;
  if (chat.enable_thinking) out["enable_thinking"] = *chat.enable_thinking;
  return out;
}

Json request_identity(const Request& request) {
  Json out = {{"kind", static_cast<int>(request.kind)}};
  if (auto* text = std::get_if<std::string>(&request.prompt)) out["text"] = *text;
  else if (auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) out["tokens"] = *tokens;
  else out["chat"] = to_json(std::get<ChatPrompt>(request.prompt));
  if (request.kind == RequestKind::loglikelihood) out["continuation"] = request.continuation;
  if (request.kind == RequestKind::generate) {
    out["max_new_tokens"] = request.max_new_tokens;
    out["until"] = request.until;
    const Sampling& s = request.sampling;
    Json sampling = {{"temperature", s.temperature}, {"repetition_penalty", s.repetition_penalty},
                     {"presence_penalty", s.presence_penalty}, {"frequency_penalty", s.frequency_penalty}};
    if (s.temperature > 0) {
      sampling["top_p"] = s.top_p;
      sampling["top_k"] = s.top_k;
      sampling["min_p"] = s.min_p;
      sampling["seed"] = s.seed;
    }
    out["sampling"] = std::move(sampling);
    out["repeat"] = request.repeat;
    if (!request.json_schema.empty()) out["json_schema"] = request.json_schema;
  }
  return out;
}

std::string prompt_text(const Prompt& prompt) {
  if (auto* text = std::get_if<std::string>(&prompt)) return *text;
  if (auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return fmt::format("[{} tokens]", tokens->size());
  std::string out;
  for (const Message& message : std::get<ChatPrompt>(prompt).messages)
    out += fmt::format("<{}>\n{}\n", message.role, message.content);
  return out;
}

}  // namespace qeval
