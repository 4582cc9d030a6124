#include "qeval/engine/openai/server_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/engine/openai/reply.h"
#include "qeval/engine/openai/server_load.h"
#include "qeval/net/http_client.h"

namespace qeval {
namespace {

constexpr int kAnswerWithin = 120;  // seconds of silence: a busy server lets a probe wait
constexpr int64_t kMaxAnswer = int64_t{64} << 20;

std::vector<std::string> model_ids(const Json& models) {
  std::vector<std::string> out;
  if (models.is_object() && models.contains("data") && models["data"].is_array())
    for (const Json& item : models["data"])
      if (std::string id = json_string(item, "id"); !id.empty()) out.push_back(std::move(id));
  return out;
}

const Json* model_entry(const Json& models, const std::string& id) {
  for (const Json& item : models["data"])
    if (json_string(item, "id") == id) return &item;
  return nullptr;
}

Status choose_model(const ServerClient& client, const Json& models, const std::vector<std::string>& names, ServerFacts& facts) {
  facts.models = model_ids(models);
  facts.model = names.empty() ? "" : names.front();
  if (facts.models.empty()) return {};  // a server without a list: its answers will tell
  for (const std::string& name : names)
    if (std::find(facts.models.begin(), facts.models.end(), name) != facts.models.end()) {
      facts.model = name;
      const Json* entry = model_entry(models, name);
      facts.max_model_len = static_cast<int>(std::clamp<int64_t>(json_int(*entry, "max_model_len"), 0, 1 << 30));
      if (json_string(*entry, "owned_by") == "vllm") facts.kind = ServerKind::vllm;
      if (json_string(*entry, "owned_by") == "llamacpp") facts.kind = ServerKind::llama_server;
      return {};
    }
  return fail(ErrorKind::environment, fmt::format("{} has no model '{}'; it has: {}", redacted_url(client.base_url()),
                                                  facts.model, fmt::join(facts.models, ", ")));
}

Status read_identity(const ServerClient& client, ServerFacts& facts) {
  if (facts.kind != ServerKind::vllm) {
    QEVAL_TRY(Json props, client.json("/props"));
    if (props.contains("build_info") || props.contains("default_generation_settings")) {
      facts.kind = ServerKind::llama_server;
      facts.version = facts.build = json_string(props, "build_info");
      facts.chat_template = json_string(props, "chat_template");
      facts.n_slots = static_cast<int>(std::clamp<int64_t>(json_int(props, "total_slots"), 0, 1 << 16));
      if (props.contains("default_generation_settings"))
        facts.max_model_len = static_cast<int>(std::clamp<int64_t>(json_int(props["default_generation_settings"], "n_ctx"), 0, 1 << 30));
      return {};
    }
  }
  QEVAL_TRY(Json version, client.json("/version"));
  facts.version = json_string(version, "version");
  if (facts.kind == ServerKind::openai && !facts.version.empty()) facts.kind = ServerKind::vllm;
  return {};
}

// Log-probabilities of a prompt, and of next tokens, each tried once on two tokens.
Status probe_logprobs(const ServerClient& client, const BodyOptions& body, const std::vector<TokenId>& tokens, ServerFacts& facts) {
  if (tokens.size() < 2) return {};
  if (facts.kind != ServerKind::llama_server) {  // which refuses echo
    const HttpQuestion echo = echo_question(tokens, body);
    QEVAL_TRY(Json answer, client.json(echo.path, echo.body));
    facts.echo = read_echo(answer, tokens).has_value();
  }
  const HttpQuestion top = top_tokens_question(tokens, 5, body);
  QEVAL_TRY(Json answer, client.json(top.path, top.body));
  facts.top_tokens = read_top_tokens(answer).has_value();
  return {};
}

Status probe_tokenizer(const ServerClient& client, const BodyOptions& body, ServerFacts& facts) {
  auto tokens = client.tokenize("Hello there, world", true, true, body);
  if (!tokens) return tokens.error().kind == ErrorKind::unavailable ? Status(fail(tokens.error())) : Status{};
  facts.tokenizer = !tokens->empty();
  if (!facts.tokenizer) return {};
  QEVAL_CHECK(probe_logprobs(client, body, *tokens, facts));
  auto without = client.tokenize("Hello there, world", false, true, body);
  if (without && without->size() + 1 == tokens->size()) {
    facts.prefix_token = tokens->front();  // the tokenizer's own beginning of text
    return {};
  }
  for (const char* name : {facts.chat ? "<|im_end|>" : "<|endoftext|>", "<|endoftext|>", "</s>"})
    if (auto one = client.tokenize(name, false, true, body); one && one->size() == 1) {
      facts.prefix_token = one->front();
      return {};
    }
  return {};
}

Status probe_chat(const ServerClient& client, const BodyOptions& body, ServerFacts& facts) {
  Request request;
  request.prompt = ChatPrompt{{{"user", "Hi", nullptr}}, nullptr, false, std::nullopt};
  request.max_new_tokens = 1;
  BodyOptions whole = body;
  whole.stream = false;
  const HttpQuestion question = generation_question(request, whole);
  QEVAL_TRY(Json answer, client.json(question.path, question.body));
  facts.chat = answer.contains("choices");
  return {};
}

}  // namespace

Result<ServerClient::Answer> ServerClient::ask(const std::string& path, const std::string& body) const {
  HttpRequest request;
  request.url = base_url_ + path;
  request.post_body = body;
  request.bearer_token = api_key_;
  request.follow_redirects = false;
  request.max_bytes = kMaxAnswer;
  request.stall_timeout_s = kAnswerWithin;
  QEVAL_TRY(HttpResponse response, http_send(request));
  return Answer{response.status, std::move(response.body)};
}

Result<Json> ServerClient::json(const std::string& path, const std::string& body) const {
  QEVAL_TRY(Answer answer, ask(path, body));
  if (answer.status != 200) return Json(nullptr);
  auto parsed = parse_json(answer.body, 64);
  return parsed && parsed->is_object() ? std::move(*parsed) : Json(nullptr);
}

Result<std::vector<TokenId>> ServerClient::tokenize(const std::string& text, bool add_special, bool parse_special, const BodyOptions& options) const {
  const HttpQuestion question = tokenize_question(text, add_special, parse_special, options);
  QEVAL_TRY(Json answer, json(question.path, question.body));
  std::vector<TokenId> out;
  if (!answer.contains("tokens") || !answer["tokens"].is_array())
    return fail(ErrorKind::not_found, redacted_url(base_url_) + ": the server has no /tokenize");
  for (const Json& token : answer["tokens"]) {
    if (!token.is_number_integer()) return bad_input(redacted_url(base_url_) + ": /tokenize gave something that is no token id");
    out.push_back(token.get<TokenId>());
  }
  return out;
}

Result<ServerFacts> probe_server(const ServerClient& client, const std::vector<std::string>& model_names) {
  const std::string where = redacted_url(client.base_url());
  auto listed = client.ask("/v1/models");
  if (!listed)
    return fail(ErrorKind::environment, fmt::format("{}; is a server running there?", listed.error().message));
  if (listed->status == 401 || listed->status == 403)
    return fail(ErrorKind::environment,
                fmt::format("{}: access denied ({}): set OPENAI_API_KEY (or QEVAL_API_KEY) to a key that the server accepts", where, listed->status));
  if (listed->status == 503)
    return fail(ErrorKind::environment, fmt::format("{}: the server is not ready (503): it may still be loading its model", where));
  if (listed->status >= 500) return fail(ErrorKind::environment, fmt::format("{}: the server fails ({})", where, listed->status));
  ServerFacts facts;
  Json models = parse_json(listed->body, 64).value_or(Json());
  QEVAL_CHECK(choose_model(client, models, model_names, facts));
  QEVAL_CHECK(read_identity(client, facts));
  BodyOptions body;
  body.kind = facts.kind;
  body.model = facts.model;
  QEVAL_CHECK(probe_chat(client, body, facts));
  QEVAL_CHECK(probe_tokenizer(client, body, facts));
  QEVAL_TRY(auto metrics, client.ask("/metrics"));
  facts.metrics = metrics.status == 200 && read_load(metrics.body).has_value();
  return facts;
}

}  // namespace qeval
