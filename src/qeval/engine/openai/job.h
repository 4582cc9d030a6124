#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "qeval/engine/openai/request_body.h"
#include "qeval/engine/openai/verdict.h"
#include "qeval/engine/session_queue.h"

namespace qeval {

// One request on its way: which questions it puts to the server, one after the other, and what their answers mean.
// Sending, waiting and trying again is the session's work. Used on the session's thread only.
class Job {
 public:
  explicit Job(SessionQueue::Item request) : item(std::move(request)) { response.id = item.request.id; }
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // The next question; what an earlier attempt at it brought is forgotten. No value: this request cannot be asked, and
  // `response` says why.
  virtual std::optional<HttpQuestion> question() = 0;
  // Bytes of an answer with a good status. False: enough has come.
  virtual bool on_data(std::string_view bytes) = 0;
  // The answer ended, with a good status. No value: it is good.
  virtual std::optional<Verdict> on_answer(const HttpEnd& end) = 0;
  virtual bool done() const = 0;  // no further question; `response` is complete

  SessionQueue::Item item;
  Response response;
};

// What jobs of a session share.
struct JobContext {
  BodyOptions body;
  int max_model_len = 0;              // 0 = unknown
  bool echo = false, top_tokens = false;
  const class Tokenizer* tokenizer = nullptr;  // null: the server's
  std::optional<TokenId> prefix_token;
  int n_count_checks = 0, n_count_faults = 0;  // how often token counts were impossible
  class ContextCache* contexts = nullptr;
};

std::unique_ptr<Job> make_generate_job(SessionQueue::Item item, JobContext& context);
std::unique_ptr<Job> make_likelihood_job(SessionQueue::Item item, JobContext& context);

}  // namespace qeval
