#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "qeval/util/json.h"

namespace qeval {

using TokenId = int32_t;
using RequestId = uint64_t;

// One chat turn. `extra` holds whatever else the template reads (tool_calls, tool_call_id, name); object or null.
struct Message {
  std::string role;
  std::string content;
  Json extra;
  bool operator==(const Message&) const = default;
};

// A conversation that the model's own chat template renders.
struct ChatPrompt {
  std::vector<Message> messages;
  Json tools;                             // OpenAI tool list, or null
  bool continue_final_message = false;    // the last (assistant) message is a beginning that the model continues
  std::optional<bool> enable_thinking;    // sent explicitly wherever the model has the switch
  bool operator==(const ChatPrompt&) const = default;
};

// Text is tokenised with special tokens parsed, no BOS added beyond what the model's tokenizer asks for.
using Prompt = std::variant<std::string, std::vector<TokenId>, ChatPrompt>;

struct Sampling {
  double temperature = 0;         // 0: greedy, the rest is ignored except penalties
  double top_p = 1;
  int top_k = 0;                  // 0: off
  double min_p = 0;
  double repetition_penalty = 1;  // 1: off
  double presence_penalty = 0;
  double frequency_penalty = 0;
  uint64_t seed = 1234;           // each request's own stream is derived from seed, request and repeat index
  bool operator==(const Sampling&) const = default;
};

enum class RequestKind { loglikelihood = 1, loglikelihood_rolling = 2, generate = 3 };  // stored; never renumber

// What is asked of an engine. Value type; engines take it by move.
struct Request {
  RequestId id = 0;               // chosen by the caller, unique in a session
  RequestKind kind = RequestKind::generate;
  Prompt prompt;                  // context; for rolling: the whole text
  std::string continuation;       // loglikelihood only; whitespace has already moved here from the context's end
  int max_new_tokens = 256;       // generate only
  std::vector<std::string> until; // stop strings; the text is cut before the first occurrence
  Sampling sampling;
  int repeat = 0;                 // 0-based index of a repeated sample of the same request
  int priority = 0;               // higher first
  uint64_t conversation = 0;      // equal non-zero ids share a growing prefix
  bool want_token_logprobs = false;
  std::string json_schema;        // constrained decoding, "" = free
};

enum class FinishReason {         // stored; never renumber
  stop_string = 1,                // one of `until`
  end_of_turn = 2,                // the model's own end token
  length = 3,                     // max_new_tokens or the context's end
  scored = 4,                     // log-likelihood computed
  failed = 5,                     // see Response::failure
  cancelled = 6,
};
const char* to_string(FinishReason reason);

enum class EngineFailure {        // stored; never renumber
  none = 0,
  context_too_long = 1,
  engine_error = 2,
  out_of_memory = 3,
  timeout = 4,
  rate_limited = 5,
  connection = 6,
  bad_reply = 7,
  unsupported = 8,
};
const char* to_string(EngineFailure failure);

struct TokenLogprob {
  TokenId token = 0;
  double logprob_nats = 0;
};

// What came back. Exactly one per accepted request.
struct Response {
  RequestId id = 0;
  FinishReason finish = FinishReason::failed;
  EngineFailure failure = EngineFailure::none;
  std::string failure_message;
  std::string text;                        // generate: raw output, already cut at the stop string; may be invalid UTF-8;
                                           // a server's tool_calls are written into it (core/tool_call.h)
  std::string stop_string;                 // which of `until` ended it
  double logprob_nats = 0;                 // (rolling) log-likelihood of the continuation, summed
  bool is_greedy = false;                  // every continuation token was the argmax
  int n_prompt_tokens = 0;
  int n_cached_tokens = 0;                 // of the prompt, not computed for this request
  int n_new_tokens = 0;                    // generate: decoded; loglikelihood: tokens of the continuation
  std::vector<TokenLogprob> token_logprobs;
  double queue_s = 0;                      // submit to first computation
  double first_token_s = 0;                // submit to first token (generate)
  double total_s = 0;                      // submit to finish
  std::vector<float> token_times_s;        // generate: submit to each piece of text as it came, where the engine streams
  bool truncated_prompt = false;           // left-truncated to fit, as lm-eval does
};

// Fields that change a number, keys sorted, for the reuse key. Left out: id, priority, conversation,
// want_token_logprobs (stored beside), because they change no token.
Json request_identity(const Request& request);
// "<role>: ..." lines for a chat, the text itself, or "[n tokens]": for people.
std::string prompt_text(const Prompt& prompt);
Json to_json(const ChatPrompt& chat);

}  // namespace qeval
