#pragma once

#include <functional>
#include <memory>
#include <string>

#include "qeval/engine/engine.h"
#include "qeval/engine/vllm/server.h"

namespace qeval {

struct VllmOptions {
  VllmServerOptions server;
  WeightsIdentity weights;
  std::string device;  // what it computes on, for people and for the reuse key; a server does not say
  // An engine that speaks to the server at `base_url` under `served_name`. Called again after a restart.
  std::function<Result<std::unique_ptr<Engine>>(const std::string& base_url, const std::string& served_name)> connect;
};

// Starts the server (see VllmServer::start) and speaks to it through `connect`. If the server dies while a session has work, it
// is started once more and what was unanswered is asked again; if it dies again, the rest fails as a connection failure.
// Stops the server on destruction.
Result<std::unique_ptr<Engine>> start_vllm_engine(const VllmOptions& options);

}  // namespace qeval
