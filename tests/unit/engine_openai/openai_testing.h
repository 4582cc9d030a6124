#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "qeval/engine/openai/openai_engine.h"
#include "test_server/test_server.h"

namespace qeval::testing {

inline OpenAiOptions options_for(const std::vector<std::string>& urls) {
  OpenAiOptions options;
  options.base_urls = urls;
  options.model_names = {"test-model"};
  options.preset.max_num_seqs = 64;
  return options;
}

inline std::unique_ptr<Engine> connected(const OpenAiOptions& options) {
  auto engine = connect_openai_engine(options);
  EXPECT_TRUE(engine) << (engine ? "" : engine.error().message);
  return engine ? std::move(*engine) : nullptr;
}

inline Request text_request(RequestId id, const std::string& prompt, int max_new_tokens = 16) {
  Request request;
  request.id = id;
  request.prompt = prompt;
  request.max_new_tokens = max_new_tokens;
  return request;
}

inline Request chat_request(RequestId id, const std::string& prompt, int max_new_tokens = 16) {
  Request request = text_request(id, "", max_new_tokens);
  request.prompt = ChatPrompt{{{"user", prompt, nullptr}}, nullptr, false, std::nullopt};
  return request;
}

// Everything that the session gives, by id; an id twice is a failure.
inline std::map<RequestId, Response> take_all(EngineSession& session, size_t n) {
  std::map<RequestId, Response> out;
  while (out.size() < n) {
    auto response = session.next(std::chrono::seconds(60));
    if (!response) {
      ADD_FAILURE() << "no answer for a minute after " << out.size() << " of " << n;
      break;
    }
    const RequestId id = response->id;
    EXPECT_TRUE(out.emplace(id, std::move(*response)).second) << "answered twice: " << id;
  }
  return out;
}

}  // namespace qeval::testing
