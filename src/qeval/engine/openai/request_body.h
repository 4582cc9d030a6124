#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"

namespace qeval {

// Which extensions of the OpenAI protocol a server has.
enum class ServerKind { openai, vllm, llama_server };
const char* to_string(ServerKind kind);

struct BodyOptions {
  ServerKind kind = ServerKind::openai;
  std::string model;                     // as the server names it
  std::optional<bool> default_thinking;  // sent where a chat leaves it open; no value: the model has no switch
  bool stream = true;
  bool ignore_eos = false;               // answers of exactly their length, for load tests; vLLM and llama-server can
  std::vector<int> stop_token_ids;       // vLLM: further tokens that end an answer
};

// The path below the base address and the JSON body of a generation. Chat prompts go to chat/completions as messages,
// text and tokens to completions.
struct HttpQuestion {
  std::string path;
  std::string body;
};
HttpQuestion generation_question(const Request& request, const BodyOptions& options);
// Log-probabilities of a whole prompt: nothing is generated.
HttpQuestion echo_question(const std::vector<TokenId>& tokens, const BodyOptions& options);
// The `n_top` most likely next tokens.
HttpQuestion top_tokens_question(const std::vector<TokenId>& tokens, int n_top, const BodyOptions& options);
HttpQuestion tokenize_question(const std::string& text, bool add_special, bool parse_special, const BodyOptions& options);

}  // namespace qeval
