#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/core/tool_call.h"
#include "qeval/util/json.h"

namespace qeval {

// An error object of a server, wherever it came: in a body or inside a stream.
struct ServerError {
  std::string message, type, code;
  int status = 0;  // where the object names one
};
// Error in the shapes that servers use: {"error": {...}}, {"error": "text"}, {"object": "error", ...}, {"detail": ...}.
std::optional<ServerError> server_error_of(const Json& body);

// What one answer to a completions or chat/completions call holds, whole or in pieces. Every field is hostile input:
// other types than expected are ignored, counts are taken only where they can be true. Not thread-safe.
class Reply {
 public:
  struct Limits {
    size_t max_text_bytes = size_t{16} << 20;
  };
  Reply() = default;
  explicit Reply(Limits limits) : limits_(limits) {}

  enum class Piece { nothing, token, too_large, malformed };
  // One chunk of a stream or the body of a whole answer. `token`: it brought generated text, reasoning or a tool call.
  Piece add(std::string_view json);
  Piece add_json(const Json& json);

  const std::string& content() const { return content_; }
  const std::string& reasoning() const { return reasoning_; }
  // As the model wrote it, the reasoning in its tags again where the server took it out.
  std::string text() const;
  Json tool_calls() const;  // OpenAI list with arguments as text; null where there is none
  bool finished() const { return !finish_reason_.empty(); }
  const std::string& finish_reason() const { return finish_reason_; }
  const std::string& stop_string() const { return stop_string_; }  // "" = the server does not say
  bool saw_choice() const { return saw_choice_; }
  const std::optional<ServerError>& error() const { return error_; }
  int n_chunks() const { return n_chunks_; }  // that brought something
  // -1: not said, or impossible (negative, not a number).
  int64_t n_prompt_tokens() const { return n_prompt_tokens_; }
  int64_t n_new_tokens() const { return n_new_tokens_; }
  int64_t n_cached_tokens() const { return n_cached_tokens_; }
  const std::vector<TokenLogprob>& logprobs() const { return logprobs_; }

 private:
  bool add_choice(const Json& choice);
  bool add_message(const Json& message);
  void add_tool_calls(const Json& list);
  void add_logprobs(const Json& logprobs);
  void add_usage(const Json& usage);
  bool append(std::string& to, const Json& object, const char* key);

  Limits limits_;
  std::string content_, reasoning_, finish_reason_, stop_string_;
  std::vector<ServerToolCall> tool_calls_;
  std::optional<ServerError> error_;
  std::vector<TokenLogprob> logprobs_;
  int64_t n_prompt_tokens_ = -1, n_new_tokens_ = -1, n_cached_tokens_ = -1;
  size_t n_bytes_ = 0;
  int n_chunks_ = 0;
  bool saw_choice_ = false;
};

// Log-probabilities of a prompt that a server gave back (completions with echo and logprobs).
struct EchoLogprobs {
  std::vector<double> logprob_nats;  // by prompt token; [0] is NaN
  std::vector<bool> is_top;          // no other token was more likely
};
// Error (bad_input): anything but exactly `n_tokens` positions with numbers from the second on. Ids are compared where
// the server names them.
Result<EchoLogprobs> read_echo(const Json& body, const std::vector<TokenId>& tokens);
// The most likely next tokens by id, from completions with max_tokens 1.
Result<std::vector<TokenLogprob>> read_top_tokens(const Json& body);

}  // namespace qeval
