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

// How the model is told to call tools, where its chat template does not: the tools and the form of a call. "" for native.
std::string protocol_text(Protocol protocol, const Json& tools);

// JSON Schema of everything that a constrained answer may be: a list of calls, or {"message": text}.
Json answer_schema(const Json& tools);

}  // namespace qeval::agent
