#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/agent/episode.h"
#include "qeval/agent/verdict.h"
#include "qeval/core/request.h"
#include "qeval/core/sample.h"
#include "qeval/util/result.h"

// Conversations of agents as samples: requests out, responses in. What was asked carries everything that a replay needs:
// the sample's document holds the workflow under "workflow", each request its repeat.
namespace qeval::agent {

// Renders a conversation; empty where nothing can.
using Renderer = std::function<Result<std::string>(const ChatPrompt&)>;

// Puts the workflow into the document. Native becomes described where `render` shows that the chat template has no
// place for tools. Error (bad_input): the document, see tasks.h.
Status prepare_document(Json& doc, const Workflow& workflow, const Renderer& render);

// What is asked first, with the sampling, limits and repeat of `like`.
Request opening_request(const Json& doc, const Request& like, std::optional<bool> enable_thinking);

// What is asked next: one request for each repeat whose conversation goes on; empty once all are over.
std::vector<Request> follow_up(const Sample& sample, const std::vector<Response>& responses);

// One repeat's conversation, played again.
struct Replay {
  EpisodeLog log;              // end is running where answers are missing
  std::vector<Message> messages;
  int64_t n_tokens = 0;        // prompt and new tokens of all turns
  int64_t n_new_tokens = 0;
  double seconds = 0;          // from each question to its answer, added up
};
Replay replay(const Sample& sample, const std::vector<Response>& responses, int repeat);
int n_repeats(const Sample& sample);

}  // namespace qeval::agent
