#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/engine/engine.h"
#include "qeval/engine/openai/session.h"
#include "qeval/engine/tokenizer.h"

namespace qeval {

struct OpenAiOptions {
  std::vector<std::string> base_urls;    // with or without "/v1"; all serve the same model
  std::vector<std::string> model_names;  // what the server may call it: the first that it lists is used
  std::string api_key;                   // api_key_from_environment(); goes into the header alone
  Preset preset;                         // max_num_seqs is the concurrency, max_model_len an upper bound
  std::string weights_id;                // the user's own id for the weights; "" = the model's name, declared
  std::string hf_id;
  std::optional<bool> default_thinking;  // sent with every chat that leaves it open; no value: the model has no switch
  std::vector<int> stop_token_ids;       // end ids besides the one that the server knows; vLLM takes them
  std::shared_ptr<const Tokenizer> tokenizer;  // null: the server's
  std::string engine_name = "openai";    // another: qeval started the server itself and says what it is
  bool adaptive = true;                  // concurrency finds its level; false: always max_num_seqs
  bool ignore_eos = false;               // load tests: the model's end token does not end an answer
  OpenAiTimeouts timeouts;
};

// OPENAI_API_KEY, else QEVAL_API_KEY, else "".
std::string api_key_from_environment();

// Asks the server what it is and what it can do, with a handful of small questions; no weights are involved. Errors
// (environment): not reached, access denied, unknown model (with what there is); usage: an address that is none.
Result<std::unique_ptr<Engine>> connect_openai_engine(const OpenAiOptions& options);

}  // namespace qeval
