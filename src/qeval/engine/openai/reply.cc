#include "qeval/engine/openai/reply.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

namespace qeval {
namespace {

constexpr size_t kMaxToolCalls = 256, kMaxLogprobs = 1 << 20;
constexpr int64_t kMaxCount = int64_t{1} << 31;

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

int64_t count_of(const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (!value || !value->is_number_integer()) return -1;
  const int64_t n = value->get<int64_t>();
  return n < 0 || n > kMaxCount ? -1 : n;
}

// "token_id:123" (vLLM with return_tokens_as_token_ids).
std::optional<TokenId> token_id_of(std::string_view text) {
  constexpr std::string_view prefix = "token_id:";
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  TokenId id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

const Json* first_choice(const Json& body) {
  const Json* choices = member(body, "choices");
  return choices && choices->is_array() && !choices->empty() ? &choices->front() : nullptr;
}

}  // namespace

std::optional<ServerError> server_error_of(const Json& body) {
  const Json* error = member(body, "error");
  if (!error && json_string(body, "object") == "error") error = &body;
  if (!error) error = member(body, "detail");
  if (!error || error->is_null()) return std::nullopt;
  ServerError out;
  if (!error->is_object()) {
    out.message = json_text(*error);
    return out;
  }
  out.message = json_string(*error, "message");
  out.type = json_string(*error, "type");
  if (const Json* code = member(*error, "code")) {
    if (code->is_number_integer()) out.status = static_cast<int>(code->get<int64_t>());
    else if (code->is_string()) out.code = code->get<std::string>();
  }
  return out;
}

Reply::Piece Reply::add(std::string_view json) {
  auto parsed = parse_json(json, 64);
  if (!parsed) return Piece::malformed;
  return add_json(*parsed);
}

Reply::Piece Reply::add_json(const Json& json) {
  if (!json.is_object()) return Piece::malformed;
  if (auto error = server_error_of(json)) {
    error_ = std::move(error);
    return Piece::nothing;
  }
  if (const Json* usage = member(json, "usage")) add_usage(*usage);
  // llama-server, asked for "verbose", names the stop string beside the choices.
  if (const Json* verbose = member(json, "__verbose"); verbose && json_string(*verbose, "stop_type") == "word")
    stop_string_ = json_string(*verbose, "stopping_word");
  const Json* choice = first_choice(json);
  if (!choice) return Piece::nothing;
  saw_choice_ = true;
  const size_t before = n_bytes_;
  const bool fits = add_choice(*choice);
  if (!fits) return Piece::too_large;
  if (n_bytes_ == before) return Piece::nothing;
  ++n_chunks_;
  return Piece::token;
}

bool Reply::add_choice(const Json& choice) {
  if (const Json* logprobs = member(choice, "logprobs")) add_logprobs(*logprobs);
  bool fits = append(content_, choice, "text");
  for (const char* key : {"delta", "message"})
    if (const Json* message = member(choice, key)) fits = fits && add_message(*message);
  if (const std::string reason = json_string(choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
  // vLLM: the stop string, or the id of the token that ended the answer.
  if (const std::string stop = json_string(choice, "stop_reason"); !stop.empty()) stop_string_ = stop;
  return fits;
}

bool Reply::add_message(const Json& message) {
  bool fits = append(content_, message, "content");
  fits = fits && append(reasoning_, message, "reasoning_content");
  if (!member(message, "reasoning_content")) fits = fits && append(reasoning_, message, "reasoning");
  if (const Json* calls = member(message, "tool_calls"); calls && calls->is_array()) add_tool_calls(*calls);
  return fits && n_bytes_ <= limits_.max_text_bytes;
}

bool Reply::append(std::string& to, const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (!value || !value->is_string()) return true;
  const auto& text = value->get_ref<const std::string&>();
  n_bytes_ += text.size();
  if (n_bytes_ > limits_.max_text_bytes) return false;
  to += text;
  return true;
}

void Reply::add_tool_calls(const Json& list) {
  for (const Json& item : list) {
    const int64_t at = member(item, "index") ? count_of(item, "index") : static_cast<int64_t>(tool_calls_.size());
    if (at < 0 || at >= static_cast<int64_t>(kMaxToolCalls)) continue;
    if (static_cast<size_t>(at) >= tool_calls_.size()) tool_calls_.resize(static_cast<size_t>(at) + 1);
    ServerToolCall& call = tool_calls_[static_cast<size_t>(at)];
    if (const std::string id = json_string(item, "id"); !id.empty()) call.id = id;
    const Json* function = member(item, "function");
    if (!function) continue;
    const std::string name = json_string(*function, "name");
    call.name += name;
    const Json* arguments = member(*function, "arguments");
    const std::string text = arguments && !arguments->is_null() ? json_text(*arguments) : "";
    call.arguments += text;
    n_bytes_ += name.size() + text.size() + 1;
  }
}

void Reply::add_logprobs(const Json& logprobs) {
  auto add_one = [&](const Json& name, const Json* id, const Json& value) {
    if (!value.is_number() || logprobs_.size() >= kMaxLogprobs) return;
    TokenLogprob out{-1, value.get<double>()};
    if (id && id->is_number_integer()) out.token = id->get<TokenId>();
    else if (name.is_string()) out.token = token_id_of(name.get_ref<const std::string&>()).value_or(-1);
    logprobs_.push_back(out);
  };
  if (const Json* content = member(logprobs, "content"); content && content->is_array()) {
    for (const Json& item : *content)
      if (const Json* value = member(item, "logprob"))
        add_one(member(item, "token") ? item["token"] : Json(), member(item, "id"), *value);
    return;
  }
  const Json *tokens = member(logprobs, "tokens"), *values = member(logprobs, "token_logprobs");
  if (!tokens || !values || !tokens->is_array() || !values->is_array() || tokens->size() != values->size()) return;
  for (size_t i = 0; i < tokens->size(); ++i) add_one((*tokens)[i], nullptr, (*values)[i]);
}

void Reply::add_usage(const Json& usage) {
  if (!usage.is_object()) return;
  n_prompt_tokens_ = count_of(usage, "prompt_tokens");
  n_new_tokens_ = count_of(usage, "completion_tokens");
  if (const Json* details = member(usage, "prompt_tokens_details")) n_cached_tokens_ = count_of(*details, "cached_tokens");
}

std::string Reply::text() const {
  if (reasoning_.empty()) return text_with_tool_calls(content_, tool_calls_);
  std::string out = "<think>\n" + reasoning_;
  // An answer that ended inside its reasoning has no closing tag, as without a reasoning parser.
  if (!content_.empty() || !tool_calls_.empty() || (finish_reason_ != "length" && finished())) out += "\n</think>\n\n";
  return text_with_tool_calls(out + content_, tool_calls_);
}

Json Reply::tool_calls() const {
  if (tool_calls_.empty()) return nullptr;
  Json out = Json::array();
  for (const ServerToolCall& call : tool_calls_)
    out.push_back({{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return out;
}

Result<EchoLogprobs> read_echo(const Json& body, const std::vector<TokenId>& tokens) {
  const Json* choice = first_choice(body);
  const Json* logprobs = choice ? member(*choice, "logprobs") : nullptr;
  const Json* values = logprobs ? member(*logprobs, "token_logprobs") : nullptr;
  if (!values || !values->is_array()) return bad_input("the answer holds no log-probabilities of the prompt");
  // Some servers generate a token all the same: what follows the prompt does not matter.
  if (values->size() < tokens.size() || values->size() > tokens.size() + 1)
    return bad_input(fmt::format("{} log-probabilities came for a prompt of {} tokens", values->size(), tokens.size()));
  const Json *names = member(*logprobs, "tokens"), *tops = member(*logprobs, "top_logprobs");
  EchoLogprobs out;
  out.logprob_nats.assign(tokens.size(), std::numeric_limits<double>::quiet_NaN());
  out.is_top.assign(tokens.size(), false);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (names && names->is_array() && i < names->size() && (*names)[i].is_string()) {
      const auto id = token_id_of((*names)[i].get_ref<const std::string&>());
      if (id && *id != tokens[i]) return bad_input(fmt::format("token {} of the prompt came back as {}", tokens[i], *id));
    }
    const Json& value = (*values)[i];
    if (i == 0) continue;
    if (!value.is_number()) return bad_input(fmt::format("position {} of the prompt has no log-probability", i));
    out.logprob_nats[i] = value.get<double>();
    if (!tops || !tops->is_array() || i >= tops->size() || !(*tops)[i].is_object()) continue;
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [name, other] : (*tops)[i].items())
      if (other.is_number()) best = std::max(best, other.get<double>());
    out.is_top[i] = std::isfinite(best) && out.logprob_nats[i] >= best;
  }
  return out;
}

Result<std::vector<TokenLogprob>> read_top_tokens(const Json& body) {
  const Json* choice = first_choice(body);
  const Json* logprobs = choice ? member(*choice, "logprobs") : nullptr;
  if (!logprobs) return bad_input("the answer holds no log-probabilities");
  std::vector<TokenLogprob> out;
  // llama-server: a list by position, each with its alternatives and their ids.
  if (const Json* content = member(*logprobs, "content"); content && content->is_array() && !content->empty()) {
    if (const Json* tops = member(content->front(), "top_logprobs"); tops && tops->is_array())
      for (const Json& top : *tops)
        if (top.is_object() && top.contains("id") && top["id"].is_number_integer() && top.contains("logprob") && top["logprob"].is_number())
          out.push_back({top["id"].get<TokenId>(), top["logprob"].get<double>()});
  } else if (const Json* tops = member(*logprobs, "top_logprobs"); tops && tops->is_array() && !tops->empty() && tops->front().is_object()) {
    for (const auto& [name, value] : tops->front().items())
      if (auto id = token_id_of(name); id && value.is_number()) out.push_back({*id, value.get<double>()});
  }
  if (out.empty()) return bad_input("the answer names no token by its id");
  return out;
}

}  // namespace qeval
