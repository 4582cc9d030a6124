#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/agent/world.h"
#include "qeval/core/request.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval::agent {

// How calls are asked for and written.
enum class Protocol {
  native,       // tools in the chat template's own slot, calls in the model's own syntax
  described,    // the same syntax, tools in the system message: where the template has no slot
  prompt,       // tools in the system message, calls as a JSON list
  constrained,  // as prompt, and decoding is held to a schema (turn.h)
};
const char* to_string(Protocol protocol);
std::optional<Protocol> protocol_from(std::string_view name);

// How the agent is set up; every field can change a number and is part of the task's identity.
struct Workflow {
  Protocol protocol = Protocol::native;
  std::string instruction;     // in front of the world's policy; "" = the standard rules of conduct
  int invalid_retries = 3;     // this many turns in a row may hold an invalid call; one more ends the conversation
  int max_steps = 0;           // model turns; 0 = each task's own budget
};
Json to_json(const Workflow& workflow);
// Keys as the fields. Error (usage): unknown key or a value out of range.
Result<Workflow> workflow_from_json(const Json& json);

struct Call {
  std::string name;
  Json arguments;
};

// What the model said in one turn, after its thinking.
struct ModelTurn {
  std::string text;                  // as written; goes back into the conversation where calls were not understood
  std::string said;                  // for the user: the text without the calls
  std::vector<Call> calls;
  std::string invalid;               // why something that looks like a call is none; "" = nothing wrong
  bool cut = false;                  // by the token limit
  bool unfinished_thinking = false;
  bool context_full = false;         // the model did not see the whole conversation
};

enum class End { running, conversation_over, step_limit, invalid_calls, truncated, unfinished_thinking, context_full };
const char* to_string(End end);

struct ExecutedCall {
  std::string name;
  Json arguments;
  std::string error_code;       // "" = done
  bool changed = false;
  bool before_answer = false;   // made before the scripted user gave an answer to a question
};

// Everything that the verdict and a reader need. `state` is the world at the end.
struct EpisodeLog {
  End end = End::running;
  int n_steps = 0;                    // model turns
  int n_unreadable = 0;               // turns that hold something like a call, but none
  std::vector<ExecutedCall> calls;    // in order, readable ones
  std::vector<std::string> said;      // to the user, in order
  Json state;
};

// One conversation over one document: a pure function of the document, the workflow and the model's turns so far, so that
// stored answers replay to the same point. Holds no clock and no randomness. Not thread-safe.
class Episode {
 public:
  // `doc` has passed check_document and outlives the episode.
  Episode(const Json& doc, const Workflow& workflow);
  bool finished() const { return log_.end != End::running; }
  // What the model is asked next.
  const std::vector<Message>& messages() const { return messages_; }
  const Json& tools() const { return tools_; }    // of the document; the protocol decides where they are shown
  // Only while not finished().
  void take(const ModelTurn& turn);
  const EpisodeLog& log() const { return log_; }

 private:
  void run_calls(const ModelTurn& turn);
  void add_reply(const std::string& id, const std::string& name, const Json& content);
  CallOutcome execute(const Call& call);
  std::optional<ToolError> planted_fault(const std::string& tool);
  void hear(const ModelTurn& turn);
  std::optional<std::string> user_reply(const std::string& said);
  void end_if_due(bool invalid);

  const Json& doc_;
  const Workflow workflow_;
  const World& world_;
  Json tools_;
  std::vector<std::string> hidden_;
  std::vector<Message> messages_;
  size_t user_turn_ = 0;
  std::vector<bool> answers_used_;    // of the current user turn
  bool nudge_used_ = false, answered_ = false;
  std::vector<std::pair<std::string, int>> n_calls_of_;  // for planted faults
  int n_invalid_in_a_row_ = 0, max_steps_ = 0, next_call_id_ = 1;
  EpisodeLog log_;
};

}  // namespace qeval::agent
