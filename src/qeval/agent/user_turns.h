#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/core/sample.h"
#include "qeval/tools/offer_tools.h"
#include "qeval/tools/outside_tools.h"
#include "qeval/util/result.h"

// Conversations in which a benchmark's user speaks several times, and its own code carries out the calls
// (tools/outside_tools.h), as the multi-turn categories of BFCL v4 have it: in each turn the model calls, sees the
// results and calls again, until it answers without a readable call; then the user goes on. A document holds
//   turns              the messages of each turn of the user; an empty one is where functions are added
//   tools, docs        as OpenAI tools, and as the prompt mode shows them
//   added              {"turn": {tools, docs}}: functions that become available there
//   id, initial_config, involved_classes   the scenario
//   ground_truth       the call texts of each turn
namespace qeval::agent {

// The benchmark's limit: a turn in which one step more than these calls tools ends the conversation.
inline constexpr int kMaxStepsPerTurn = 20;

struct UserTurnsOptions {
  ToolMode mode = ToolMode::native;
  std::string system_instruction;       // in front of everything; "" = none
  std::optional<bool> enable_thinking;
};

// Error (bad_input): what the document lacks.
Status check_user_turns(const Json& doc);
int max_user_turn_requests(const Json& doc);

// What is asked first, with the sampling, limits and repeat of `like`.
Request first_request(const Json& doc, const UserTurnsOptions& options, const Request& like);

// What is asked next: a request for each repeat whose conversation goes on. Nothing more of a repeat whose calls did not
// come to their end. Error (environment): the tools failed.
Result<std::vector<Request>> next_requests(const Sample& sample, const std::vector<Response>& responses, OutsideTools& tools);

// One repeat's conversation as far as its answers go, read from them alone; no call is carried out.
struct UserTurnsLog {
  enum class End { running, over, step_limit, context_full };
  End end = End::running;
  Json turns = Json::array();      // [[[call]]], also of the turn that is not over
  std::vector<CallFault> ends;     // of each turn that is over: why its last answer holds no call
  int n_steps = 0;                 // answers
  int64_t n_tokens = 0;            // prompt and new tokens of all answers
};
UserTurnsLog read_user_turns(const Sample& sample, const std::vector<Response>& responses, int repeat);

// {id, initial_config, involved_classes} of a document.
Json scenario_of(const Json& doc);

}  // namespace qeval::agent
