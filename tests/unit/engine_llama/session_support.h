#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "qeval/engine/engine.h"

namespace qeval {

inline Request score_request(RequestId id, std::string context, std::string continuation) {
  Request out;
  out.id = id;
  out.kind = RequestKind::loglikelihood;
  out.prompt = std::move(context);
  out.continuation = std::move(continuation);
  return out;
}

inline Request generate_request(RequestId id, std::string prompt, int max_new_tokens, std::vector<std::string> until = {}) {
  Request out;
  out.id = id;
  out.kind = RequestKind::generate;
  out.prompt = std::move(prompt);
  out.max_new_tokens = max_new_tokens;
  out.until = std::move(until);
  return out;
}

struct Answers {
  std::map<RequestId, Response> by_id;
  SessionStats stats;
};

// Submits everything, honours back-pressure, checks that each request is answered exactly once.
inline Answers ask(Engine& engine, std::vector<Request> requests, SessionOptions options = {}) {
  Answers out;
  auto session = engine.open_session(options);
  EXPECT_TRUE(session.has_value()) << (session ? "" : session.error().message);
  if (!session) return out;
  auto take = [&](std::chrono::milliseconds timeout) {
    if (auto response = (*session)->next(timeout)) {
      const RequestId id = response->id;
      EXPECT_TRUE(out.by_id.emplace(id, std::move(*response)).second) << "two responses for " << id;
    }
  };
  for (Request& request : requests) {
    for (;;) {
      auto accepted = (*session)->submit(request);
      EXPECT_TRUE(accepted.has_value()) << (accepted ? "" : accepted.error().message);
      if (!accepted || *accepted) break;
      take(std::chrono::milliseconds(1000));
    }
  }
  (*session)->close_input();
  while (!(*session)->finished()) take(std::chrono::milliseconds(1000));
  EXPECT_EQ(out.by_id.size(), requests.size());
  out.stats = (*session)->stats();
  return out;
}

}  // namespace qeval
