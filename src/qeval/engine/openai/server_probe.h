#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/engine/openai/request_body.h"
#include "qeval/util/result.h"

namespace qeval {

// What a server says of itself.
struct ServerFacts {
  ServerKind kind = ServerKind::openai;
  std::string version, build;
  std::string model;             // the name to ask for
  std::vector<std::string> models;
  int max_model_len = 0;         // 0 = not said
  int n_slots = 0;               // llama-server: sequences at once
  std::string chat_template;     // llama-server says it
  bool chat = false;             // chat/completions works with this model
  bool tokenizer = false, echo = false, top_tokens = false, metrics = false;
  std::optional<TokenId> prefix_token;
};

// Small blocking questions to one server. The key goes into the header only.
class ServerClient {
 public:
  ServerClient(std::string base_url, std::string api_key) : base_url_(std::move(base_url)), api_key_(std::move(api_key)) {}
  const std::string& base_url() const { return base_url_; }
  struct Answer {
    long status = 0;
    std::string body;
  };
  // GET, or POST where `body` is not empty. Error (unavailable): not reached.
  Result<Answer> ask(const std::string& path, const std::string& body = "") const;
  // The JSON object of a 200; null for any other status or content.
  Result<Json> json(const std::string& path, const std::string& body = "") const;
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool add_special, bool parse_special, const BodyOptions& options) const;

 private:
  std::string base_url_, api_key_;
};

// Errors: environment (not reached, access denied, unknown model).
Result<ServerFacts> probe_server(const ServerClient& client, const std::vector<std::string>& model_names);

}  // namespace qeval
