#pragma once

#include <string>
#include <string_view>

#include "qeval/core/request.h"
#include "qeval/engine/openai/reply.h"
#include "qeval/net/http_multi.h"

namespace qeval {

// What an answer that is not a good one means for its request and for the session.
enum class Action {
  retry,      // may pass: again after a pause, a few times
  push_back,  // the server asks for less: again after a pause, as long as it keeps answering
  elsewhere,  // this address is not reached: again at another, or when it is back
  refuse,     // this request cannot pass: classed, the session goes on
  stop,       // no request can pass
};

struct Verdict {
  Action action = Action::retry;
  EngineFailure failure = EngineFailure::engine_error;
  std::string message;
  double wait_s = -1;  // the server's own wish (Retry-After); -1 = none
};

// An answer with a status outside 2xx, or none at all. `body` as far as it came.
Verdict judge_http(const HttpEnd& end, std::string_view body);
// An error object inside a stream or a body of status 200.
Verdict judge_error(const ServerError& error, int status);

// Seconds before attempt `n` (1 …): doubles from 0.25 to 20, times `jitter` from 0.5 to 1.5.
double back_off_s(int n, double jitter);

}  // namespace qeval
