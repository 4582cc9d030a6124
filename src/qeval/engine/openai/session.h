#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/engine/engine.h"
#include "qeval/engine/openai/request_body.h"

namespace qeval {

class Tokenizer;

struct OpenAiTimeouts {
  double connect_s = 10;
  double first_byte_s = 900;  // a server may let requests wait for long before their first token
  double stall_s = 120;       // silence in the middle of an answer
  double outage_s = 60;       // no address reached for this long: the session ends
  double push_back_s = 600;   // a request that only hears 429 or 503 for this long is given up
};

// What a session needs to know, found out by the engine before.
struct OpenAiSetup {
  std::vector<std::string> base_urls;       // normal_base_url
  std::string api_key;                      // "" = none; goes into the header alone
  BodyOptions body;
  bool echo = false, top_tokens = false;    // prompt log-probabilities; most likely next tokens by id
  bool metrics = false;                     // /metrics says how many requests wait
  int max_model_len = 0;                    // 0 = unknown
  int max_concurrency = 64;
  bool adaptive = true;                     // find the level; false: always max_concurrency
  int max_attempts = 6;                     // of a question that fails in a way that may pass
  const Tokenizer* tokenizer = nullptr;     // null: the server's /tokenize
  std::optional<TokenId> prefix_token;
  OpenAiTimeouts timeouts;
};

Result<std::unique_ptr<EngineSession>> make_openai_session(const OpenAiSetup& setup, const SessionOptions& options);

}  // namespace qeval
