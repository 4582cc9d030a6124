#include "qeval/agent/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/tasks.h"
#include "qeval/agent/turn.h"

namespace qeval::agent {
namespace {

constexpr const char* kWorkflow = "workflow";

Workflow workflow_of(const Json& doc) {
  auto found = doc.find(kWorkflow);
  auto workflow = found == doc.end() ? Result<Workflow>(Workflow{}) : workflow_from_json(*found);
  return workflow ? *workflow : Workflow{};
}

bool template_shows_tools(const Renderer& render) {
  constexpr const char* kMark = "qeval_marked_tool";
  ChatPrompt chat;
  chat.messages = {{"user", "Hello.", nullptr}};
  chat.tools = Json::array({{{"type", "function"}, {"function", {{"name", kMark}, {"description", kMark}, {"parameters", parameters({})}}}}});
  auto text = render(chat);
  return text && text->find(kMark) != std::string::npos;
}

void set_prompt(const Episode& episode, Protocol protocol, std::optional<bool> enable_thinking, Request& request) {
  ChatPrompt chat;
  chat.messages = episode.messages();
  if (protocol == Protocol::native) chat.tools = episode.tools();
  chat.enable_thinking = enable_thinking;
  request.prompt = std::move(chat);
  request.json_schema = protocol == Protocol::constrained ? dump_json(answer_schema(episode.tools())) : "";
}

std::optional<bool> thinking_of(const Request& request) {
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  return chat ? chat->enable_thinking : std::nullopt;
}

ModelTurn turn_of(const Response& response, const Episode& episode, Protocol protocol, bool thinks) {
  ModelTurn turn = read_turn(response.text, episode.tools(), protocol, response.finish == FinishReason::length, thinks);
  turn.context_full = response.truncated_prompt;
  return turn;
}

// Feeds the repeat's answers to its episode; adds up what they cost.
Episode play_again(const Sample& sample, const std::vector<Response>& responses, int repeat, Replay* costs) {
  const Workflow workflow = workflow_of(sample.doc);
  Episode episode(sample.doc, workflow);
  for (size_t i = 0; i < std::min(sample.requests.size(), responses.size()); ++i) {
    if (sample.requests[i].repeat != repeat || episode.finished()) continue;
    if (responses[i].failure != EngineFailure::none || responses[i].finish == FinishReason::failed) break;
    episode.take(turn_of(responses[i], episode, workflow.protocol, thinking_of(sample.requests[i]).value_or(false)));
    if (!costs) continue;
    costs->n_tokens += responses[i].n_prompt_tokens + responses[i].n_new_tokens;
    costs->n_new_tokens += responses[i].n_new_tokens;
    costs->seconds += responses[i].total_s;
  }
  return episode;
}

}  // namespace

Status prepare_document(Json& doc, const Workflow& workflow, const Renderer& render) {
  QEVAL_CHECK(check_document(doc));
  Workflow resolved = workflow;
  if (resolved.protocol == Protocol::native && render && !template_shows_tools(render)) resolved.protocol = Protocol::described;
  doc[kWorkflow] = to_json(resolved);
  return {};
}

Request opening_request(const Json& doc, const Request& like, std::optional<bool> enable_thinking) {
  Workflow workflow = workflow_of(doc);
  Request request = like;
  set_prompt(Episode(doc, workflow), workflow.protocol, enable_thinking, request);
  return request;
}

std::vector<Request> follow_up(const Sample& sample, const std::vector<Response>& responses) {
  std::vector<Request> out;
  Protocol protocol = workflow_of(sample.doc).protocol;
  for (int repeat = 0; repeat < n_repeats(sample); ++repeat) {
    Episode episode = play_again(sample, responses, repeat, nullptr);
    if (episode.finished()) continue;
    auto asked = std::find_if(sample.requests.begin(), sample.requests.end(), [&](const Request& r) { return r.repeat == repeat; });
    Request next = *asked;
    set_prompt(episode, protocol, thinking_of(*asked), next);
    out.push_back(std::move(next));
  }
  return out;
}

Replay replay(const Sample& sample, const std::vector<Response>& responses, int repeat) {
  Replay out;
  Episode episode = play_again(sample, responses, repeat, &out);
  out.log = episode.log();
  out.messages = episode.messages();
  return out;
}

int n_repeats(const Sample& sample) {
  int n = 0;
  for (const Request& request : sample.requests) n = std::max(n, request.repeat + 1);
  return n;
}

}  // namespace qeval::agent
