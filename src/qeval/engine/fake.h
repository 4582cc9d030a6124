#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "qeval/engine/engine.h"

namespace qeval {

// For tests and selfcheck: answers come from a function instead of a model. Deterministic.
struct FakeOptions {
  std::function<Response(const Request&)> answer;  // null: generate → "", loglikelihood → −(bytes of continuation)
  std::chrono::microseconds latency{0};            // per response
  bool has_loglikelihood = true;
  // Fails the n-th request (0-based, counted over the session) with this failure.
  std::map<int64_t, EngineFailure> faults;
  std::string weights_name = "fake";
  bool weights_verified = true;                    // false: only declared, as a server's
};
std::unique_ptr<Engine> make_fake_engine(FakeOptions options);

}  // namespace qeval
