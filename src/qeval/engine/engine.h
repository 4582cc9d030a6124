#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/core/request.h"
#include "qeval/util/result.h"

namespace qeval {

struct EngineCapabilities {
  bool loglikelihood = false;
  bool rolling = false;
  bool tokenizer = false;       // tokenize() works
  bool chat_template = false;   // render() works
  bool tools = false;
  bool json_schema = false;
  bool exact = false;           // results can be made independent of the batch
  bool own_chat = false;        // conversations are best sent as they are: a server renders them, as deployed
  bool single_token_loglikelihood = false;  // of continuations of one token, where loglikelihood is false
};

// What an engine is and what it loaded. `settings` holds every resolved setting that can change a number.
struct EngineInfo {
  std::string name;      // llama, openai, vllm, fake
  std::string version;   // of the engine's library or server
  std::string build;     // commit and compile-time switches
  std::string device;    // "CPU (model name)", "NVIDIA H100 80GB HBM3"
  EngineCapabilities can;
  WeightsIdentity weights;
  Json settings;
  int max_model_len = 0;
  int max_concurrency = 1;
  std::vector<std::string> metrics_urls;  // where its server tells counters in Prometheus' format; empty: nowhere
  std::vector<int> server_groups;         // process groups of a server on this machine that are no children of this process
  std::vector<std::string> notes;  // what a reader of the numbers must know (preset setting without effect …)
};

struct RenderedPrompt {
  std::string text;
  std::vector<std::string> stops;  // further stop strings that the template's format needs
};

struct SessionStats {
  int64_t n_decoded_tokens = 0;      // tokens that went through the model
  int64_t n_batches = 0;
  int64_t n_output_rows = 0;         // rows whose logits were read
  double busy_s = 0;                 // inside decode calls
  double prefill_s = 0, decode_s = 0;
  int64_t peak_kv_cells = 0;
  // Scoring: tokens in micro-batches, and what these had room for, while work for a full one was known.
  int64_t n_fill_tokens = 0, n_fill_room = 0;
  // Generation: busy slots, and slots, summed over the steps during which requests waited for one.
  int64_t n_busy_slots = 0, n_all_slots = 0;
  int n_streams = 0;  // generation: answers that the cache was made for; 0 = unknown
  int64_t model_bytes = 0, kv_bytes = 0, compute_bytes = 0;  // as the engine accounts them; 0 = unknown
};

struct SessionOptions {
  bool exact = false;            // one sequence per decode call
  size_t max_pending = 4096;     // submit() refuses beyond this: back-pressure
};

// Requests in, responses out, any order. submit/next/cancel may be called from different threads.
class EngineSession {
 public:
  virtual ~EngineSession() = default;
  // False: full, try again after next(). Error: the session is dead. An accepted request yields exactly one response.
  virtual Result<bool> submit(Request request) = 0;
  // No value: nothing within `timeout`, or finished().
  virtual std::optional<Response> next(std::chrono::milliseconds timeout) = 0;
  virtual void cancel(RequestId id) = 0;     // its response comes as cancelled unless already finished
  virtual void cancel_all() = 0;             // returns at once; decoding stops within one micro-batch
  virtual void close_input() = 0;            // no more submits; the engine may now order globally
  virtual bool finished() const = 0;         // input closed and every response handed out
  virtual SessionStats stats() const = 0;
  // Why the session cannot go on, once it cannot; everything not yet answered then fails. Answers already there still
  // come from next().
  virtual std::optional<Error> died() const { return std::nullopt; }
};

// A loaded model or a reachable server. One session at a time.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const EngineInfo& info() const = 0;
  // Text of a conversation through the model's own chat template (generation prompt added unless the final
  // message is continued). Error names the template's complaint.
  virtual Result<RenderedPrompt> render(const ChatPrompt& chat) const = 0;
  virtual Result<std::vector<TokenId>> tokenize(const std::string& text, bool add_special, bool parse_special) const = 0;
  virtual Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) = 0;
};

}  // namespace qeval
