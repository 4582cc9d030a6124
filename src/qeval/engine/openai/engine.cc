#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "qeval/engine/openai/addresses.h"
#include "qeval/engine/openai/openai_engine.h"
#include "qeval/engine/openai/server_probe.h"
#include "qeval/net/http_client.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

class OpenAiEngine : public Engine {
 public:
  OpenAiEngine(const OpenAiOptions& options, ServerClient client, ServerFacts facts)
      : options_(options), client_(std::move(client)), facts_(std::move(facts)) {}

  void describe();
  void describe_weights();
  void note(std::string text) { info_.notes.push_back(std::move(text)); }

  const EngineInfo& info() const override { return info_; }
  Result<RenderedPrompt> render(const ChatPrompt& chat) const override;
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool add_special, bool parse_special) const override {
    if (options_.tokenizer) return options_.tokenizer->encode(text, add_special, parse_special);
    return client_.tokenize(text, add_special, parse_special, body());
  }
  Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) override;

 private:
  BodyOptions body() const;
  Result<RenderedPrompt> render_by_tokens(const Json& question) const;

  OpenAiOptions options_;
  ServerClient client_;
  ServerFacts facts_;
  EngineInfo info_;
};

BodyOptions OpenAiEngine::body() const {
  BodyOptions out;
  out.kind = facts_.kind;
  out.model = facts_.model;
  out.default_thinking = options_.default_thinking;
  out.ignore_eos = options_.ignore_eos;
  out.stop_token_ids = options_.stop_token_ids;
  return out;
}

void OpenAiEngine::describe_weights() {
  WeightsIdentity& weights = info_.weights;
  weights.source = options_.weights_id.empty() ? facts_.model : options_.weights_id;
  weights.name = facts_.model;
  weights.hf_id = options_.hf_id;
  weights.verified = false;
  if (!facts_.chat_template.empty()) weights.chat_template_hash = sha256_hex(facts_.chat_template);
}

void OpenAiEngine::describe() {
  info_.name = options_.engine_name;
  info_.version = facts_.version.empty() ? to_string(facts_.kind) : fmt::format("{} {}", to_string(facts_.kind), facts_.version);
  info_.build = facts_.build;
  info_.device = "not said by the server";
  const bool tokens = facts_.tokenizer || options_.tokenizer;
  EngineCapabilities& can = info_.can;
  can.loglikelihood = can.rolling = facts_.echo && tokens;
  can.single_token_loglikelihood = facts_.top_tokens && tokens;
  can.tokenizer = tokens;
  can.chat_template = (options_.tokenizer && options_.tokenizer->has_chat_template()) || (facts_.chat && facts_.kind != ServerKind::openai);
  can.own_chat = facts_.chat;
  can.tools = can.json_schema = facts_.chat;
  info_.max_concurrency = std::max(1, options_.preset.max_num_seqs);
  info_.max_model_len = facts_.max_model_len;
  if (options_.preset.max_model_len > 0 && (info_.max_model_len == 0 || options_.preset.max_model_len < info_.max_model_len))
    info_.max_model_len = options_.preset.max_model_len;
  Json urls = Json::array();  // without user and password
  for (const std::string& url : options_.base_urls) urls.push_back(redacted_url(url));
  info_.settings = {{"server", to_string(facts_.kind)}, {"model", facts_.model}, {"max_model_len", info_.max_model_len},
                    {"base_urls", std::move(urls)}};
  if (options_.default_thinking) info_.settings["default_thinking"] = *options_.default_thinking;
  describe_weights();
  if (!options_.stop_token_ids.empty() && facts_.kind == ServerKind::vllm) info_.settings["stop_token_ids"] = options_.stop_token_ids;
  if (facts_.metrics)
    for (const std::string& url : options_.base_urls) info_.metrics_urls.push_back(url + "/metrics");
  if (options_.engine_name == "openai") note(fmt::format("the server says what it runs: weights are declared{}, not verified", options_.weights_id.empty() ? "" : " by --weights-id"));
  if (options_.engine_name == "openai") note(fmt::format("of preset {} only max_num_seqs ({}) acts on a server that is running already", options_.preset.name, info_.max_concurrency));
  if (facts_.n_slots > 0 && facts_.n_slots < info_.max_concurrency)
    note(fmt::format("the server works on {} sequences at once; more wait inside it", facts_.n_slots));
  if (!can.loglikelihood)
    note(tokens ? "the server gives no log-probabilities of a prompt (echo): no log-likelihoods"
                : "the server has no /tokenize (give --tokenizer FILE.gguf): no log-likelihoods");
  if (!can.own_chat) note("chat/completions does not work with this model: it has no chat template");
}

Result<RenderedPrompt> OpenAiEngine::render(const ChatPrompt& chat) const {
  if (options_.tokenizer && options_.tokenizer->has_chat_template()) return options_.tokenizer->render(chat);
  Request request;
  request.prompt = chat;
  const HttpQuestion question = generation_question(request, body());
  QEVAL_TRY(Json asked, parse_json(question.body));
  if (facts_.kind == ServerKind::vllm) return render_by_tokens(asked);
  for (const char* key : {"max_tokens", "stream", "stream_options", "temperature"}) asked.erase(key);
  QEVAL_TRY(Json answer, client_.json("/apply-template", dump_json(asked)));
  if (!answer.contains("prompt") || !answer["prompt"].is_string())
    return bad_input("the server's chat template refuses this conversation");
  return RenderedPrompt{answer["prompt"].get<std::string>(), {}};
}

// vLLM has no rendering of its own that all versions share, but it tokenises conversations.
Result<RenderedPrompt> OpenAiEngine::render_by_tokens(const Json& question) const {
  Json asked = {{"model", facts_.model}, {"messages", question["messages"]}, {"add_special_tokens", false}};
  asked["add_generation_prompt"] = !question.contains("continue_final_message");
  for (const char* key : {"tools", "chat_template_kwargs", "continue_final_message"})
    if (question.contains(key)) asked[key] = question[key];
  QEVAL_TRY(Json tokens, client_.json("/tokenize", dump_json(asked)));
  if (!tokens.contains("tokens")) return bad_input("the server's chat template refuses this conversation");
  QEVAL_TRY(Json text, client_.json("/detokenize", dump_json({{"model", facts_.model}, {"tokens", tokens["tokens"]}})));
  if (!text.contains("prompt") || !text["prompt"].is_string()) return bad_input("the server has no /detokenize");
  return RenderedPrompt{text["prompt"].get<std::string>(), {}};
}

Result<std::unique_ptr<EngineSession>> OpenAiEngine::open_session(const SessionOptions& options) {
  OpenAiSetup setup;
  setup.base_urls = options_.base_urls;
  setup.api_key = options_.api_key;
  setup.body = body();
  setup.echo = facts_.echo;
  setup.top_tokens = facts_.top_tokens;
  setup.metrics = facts_.metrics;
  setup.max_model_len = facts_.max_model_len;
  setup.max_concurrency = info_.max_concurrency;
  setup.adaptive = options_.adaptive;
  setup.tokenizer = options_.tokenizer.get();
  setup.prefix_token = options_.tokenizer ? std::optional(options_.tokenizer->prefix_token()) : facts_.prefix_token;
  setup.timeouts = options_.timeouts;
  return make_openai_session(setup, options);
}

}  // namespace

std::string api_key_from_environment() {
  for (const char* name : {"OPENAI_API_KEY", "QEVAL_API_KEY"})
    if (const char* key = std::getenv(name); key && *key) return key;
  return "";
}

Result<std::unique_ptr<Engine>> connect_openai_engine(const OpenAiOptions& asked) {
  OpenAiOptions options = asked;
  for (std::string& url : options.base_urls) {
    QEVAL_TRY(url, normal_base_url(url));
  }
  if (options.base_urls.empty()) return fail(ErrorKind::usage, "engine openai needs the address of a server: --base-url http://HOST:PORT");
  std::unique_ptr<OpenAiEngine> engine;
  std::vector<std::string> absent;
  for (const std::string& url : options.base_urls) {
    ServerClient client(url, options.api_key);
    if (engine) {
      if (!client.ask("/v1/models")) absent.push_back(redacted_url(url));
      continue;
    }
    auto facts = probe_server(client, options.model_names);
    if (facts) {
      engine = std::make_unique<OpenAiEngine>(options, client, std::move(*facts));
    } else if (options.base_urls.size() == absent.size() + 1) {
      return fail(facts.error());
    } else {
      absent.push_back(redacted_url(url));
    }
  }
  engine->describe();
  for (const std::string& url : absent) engine->note(url + " is not reached; the others take its share until it is");
  return engine;
}

}  // namespace qeval
