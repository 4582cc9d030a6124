#include "qeval/engine/openai/request_body.h"

#include <algorithm>

namespace qeval {
namespace {

constexpr size_t kMaxStopsElsewhere = 4;  // OpenAI's own limit, and vLLM's from 0.32 on; the client cuts at all of them anyway

// Seeds of 32 bits are the common ground of the servers.
uint32_t seed_of(const Request& request) {
  uint64_t x = request.sampling.seed + 0x9e3779b97f4a7c15ull * static_cast<uint64_t>(request.repeat);
  x ^= x >> 32;
  return static_cast<uint32_t>(x) & 0x7fffffffu;
}

void add_sampling(const Request& request, const BodyOptions& options, Json& body) {
  const Sampling& s = request.sampling;
  const bool extended = options.kind != ServerKind::openai;
  body["temperature"] = s.temperature;
  if (s.temperature > 0) {
    body["top_p"] = s.top_p;
    body["seed"] = seed_of(request);
    if (extended) {
      body["top_k"] = s.top_k > 0 ? s.top_k : options.kind == ServerKind::vllm ? -1 : 0;
      body["min_p"] = s.min_p;
    }
  }
  if (s.presence_penalty != 0) body["presence_penalty"] = s.presence_penalty;
  if (s.frequency_penalty != 0) body["frequency_penalty"] = s.frequency_penalty;
  if (s.repetition_penalty != 1 && extended)
    body[options.kind == ServerKind::vllm ? "repetition_penalty" : "repeat_penalty"] = s.repetition_penalty;
}

void add_stops(const Request& request, const BodyOptions& options, Json& body) {
  std::vector<std::string> stops;
  for (const std::string& stop : request.until)
    if (!stop.empty()) stops.push_back(stop);
  if (options.kind != ServerKind::llama_server && stops.size() > kMaxStopsElsewhere) stops.resize(kMaxStopsElsewhere);
  if (options.kind == ServerKind::vllm && !options.stop_token_ids.empty()) body["stop_token_ids"] = options.stop_token_ids;
  if (stops.empty()) return;
  body["stop"] = stops;
  if (options.kind == ServerKind::llama_server) body["verbose"] = true;  // else it does not say which one it was
}

void add_schema(const Request& request, const BodyOptions& options, bool chat, Json& body) {
  if (request.json_schema.empty()) return;
  auto schema = parse_json(request.json_schema);
  if (!schema) return;
  if (!chat && options.kind == ServerKind::llama_server) body["json_schema"] = *schema;
  else if (!chat && options.kind == ServerKind::vllm) body["structured_outputs"] = {{"json", *schema}};
  else body["response_format"] = {{"type", "json_schema"}, {"json_schema", {{"name", "answer"}, {"schema", *schema}, {"strict", true}}}};
}

void add_chat(const ChatPrompt& chat, const BodyOptions& options, Json& body) {
  Json all = to_json(chat);
  body["messages"] = std::move(all["messages"]);
  if (!chat.tools.is_null()) body["tools"] = chat.tools;
  const bool extended = options.kind != ServerKind::openai;
  if (chat.continue_final_message && extended) {
    body["continue_final_message"] = true;
    body["add_generation_prompt"] = false;
  }
  const std::optional<bool> thinking = chat.enable_thinking ? chat.enable_thinking : options.default_thinking;
  if (thinking) body["chat_template_kwargs"] = {{"enable_thinking", *thinking}};
}

}  // namespace

const char* to_string(ServerKind kind) {
  switch (kind) {
    case ServerKind::openai: return "openai";
    case ServerKind::vllm: return "vllm";
    case ServerKind::llama_server: return "llama-server";
  }
  return "unknown";
}

HttpQuestion generation_question(const Request& request, const BodyOptions& options) {
  Json body = {{"model", options.model}};
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (chat) add_chat(*chat, options, body);
  else if (auto* text = std::get_if<std::string>(&request.prompt)) body["prompt"] = *text;
  else body["prompt"] = std::get<std::vector<TokenId>>(request.prompt);
  body["max_tokens"] = request.max_new_tokens;
  add_sampling(request, options, body);
  add_stops(request, options, body);
  add_schema(request, options, chat != nullptr, body);
  if (request.want_token_logprobs) {
    if (chat) {
      body["logprobs"] = true;
      body["top_logprobs"] = 1;
    } else {
      body["logprobs"] = 1;
    }
    if (options.kind == ServerKind::vllm) body["return_tokens_as_token_ids"] = true;
  }
  if (options.ignore_eos && options.kind != ServerKind::openai) body["ignore_eos"] = true;
  if (options.stream) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
  }
  return {chat ? "/v1/chat/completions" : "/v1/completions", dump_json(body)};
}

HttpQuestion echo_question(const std::vector<TokenId>& tokens, const BodyOptions& options) {
  Json body = {{"model", options.model}, {"prompt", tokens}, {"max_tokens", 0}, {"temperature", 0}, {"echo", true}, {"logprobs", 1}};
  if (options.kind == ServerKind::vllm) body["return_tokens_as_token_ids"] = true;
  return {"/v1/completions", dump_json(body)};
}

HttpQuestion top_tokens_question(const std::vector<TokenId>& tokens, int n_top, const BodyOptions& options) {
  Json body = {{"model", options.model}, {"prompt", tokens}, {"max_tokens", 1}, {"temperature", 0}, {"logprobs", n_top}};
  if (options.kind == ServerKind::vllm) body["return_tokens_as_token_ids"] = true;
  return {"/v1/completions", dump_json(body)};
}

HttpQuestion tokenize_question(const std::string& text, bool add_special, bool parse_special, const BodyOptions& options) {
  if (options.kind == ServerKind::llama_server)
    return {"/tokenize", dump_json({{"content", text}, {"add_special", add_special}, {"parse_special", parse_special}})};
  return {"/tokenize", dump_json({{"model", options.model}, {"prompt", text}, {"add_special_tokens", add_special}})};
}

}  // namespace qeval
