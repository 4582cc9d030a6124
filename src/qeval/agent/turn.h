#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qeval/agent/episode.h"
#include "qeval/core/request.h"

namespace qeval::agent {

// Reads what the model wrote as one turn. The reasoning (up to the last </think>) is dropped first; `thinks`: the model
// was told to reason. Text without a call is a message to the user; what looks like a call and is none is `invalid`. An
// answer of more than 64 KiB is not searched for calls. Any bytes are safe; linear in their number.
ModelTurn read_turn(std::string_view answer, const Json& tools, Protocol protocol, bool cut, bool thinks = false);

inline constexpr size_t kMaxAnswer = 65536;  // bytes; a longer answer is not searched for calls

// An answer's reasoning and what follows its end. `unfinished`: it began (or was asked for: `thinks`, and `cut` by the
// token limit) and never ended; then nothing follows.
struct Thought {
  std::string_view reasoning, after;
  bool unfinished = false;
};
Thought split_thought(std::string_view answer, bool thinks, bool cut);

// Calls as a chat template reads them in an assistant's `tool_calls`, numbered on from `next_id`.
Json template_calls(const std::vector<Call>& calls, int& next_id);

// How the model is told to call tools, where its chat template does not: the tools and the form of a call. "" for native.
std::string protocol_text(Protocol protocol, const Json& tools);

// JSON Schema of everything that a constrained answer may be: a list of calls, or {"message": text}.
Json answer_schema(const Json& tools);

}  // namespace qeval::agent
