#include "qeval/runner/batching_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/util/clock.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

using Answers = std::vector<Response>;  // by the request's number

std::vector<Request> requests_of(const std::vector<BatchingDoc>& docs) {
  std::vector<Request> out;
  for (const BatchingDoc& doc : docs) {
    for (const Request& request : doc.sample.requests) {
      out.push_back(request);
      out.back().id = out.size();
    }
  }
  return out;
}

Result<Answers> ask(Engine& engine, const std::vector<Request>& requests, bool exact, BatchingArm& arm,
                    const std::function<void(const std::string&, double)>& progress) {
  SessionOptions options;
  options.exact = exact;
  QEVAL_TRY(auto session, engine.open_session(options));
  const auto start = SteadyClock::now();
  Answers answers(requests.size());
  size_t n_answered = 0;
  auto take = [&](std::chrono::milliseconds timeout) {
    if (auto response = session->next(timeout)) {
      answers[response->id - 1] = std::move(*response);
      ++n_answered;
      if (progress) progress(arm.name, static_cast<double>(n_answered) / static_cast<double>(requests.size()));
    }
  };
  for (const Request& request : requests) {
    for (;;) {
      QEVAL_TRY(bool accepted, session->submit(request));
      if (accepted) break;
      take(std::chrono::milliseconds(100));
    }
  }
  session->close_input();
  while (!session->finished()) take(std::chrono::milliseconds(100));
  arm.seconds = seconds_since(start);
  const SessionStats stats = session->stats();
  arm.n_batches = stats.n_batches;
  arm.n_decoded_tokens = stats.n_decoded_tokens;
  arm.n_failed = std::count_if(answers.begin(), answers.end(), [](const Response& r) { return r.failure != EngineFailure::none; });
  return answers;
}

// The most likely choice, or the text; "" where something failed.
std::string answer_of(const Sample& sample, const Response* responses, double* margin) {
  *margin = 0;
  const size_t n = sample.requests.size();
  for (size_t i = 0; i < n; ++i)
    if (responses[i].failure != EngineFailure::none) return "";
  if (n == 0) return "";
  if (sample.requests[0].kind == RequestKind::generate) {
    std::string all;
    for (size_t i = 0; i < n; ++i) all += responses[i].text + "\n";
    return all;
  }
  const size_t n_choices = sample.choices.empty() ? n : std::min(n, sample.choices.size());
  size_t best = 0;
  double second = -INFINITY;
  for (size_t i = 1; i < n_choices; ++i) {
    const double value = responses[i].logprob_nats;
    if (value > responses[best].logprob_nats) second = responses[best].logprob_nats, best = i;
    else second = std::max(second, value);
  }
  if (n_choices == 1) return responses[0].is_greedy ? "greedy" : "not greedy";
  *margin = responses[best].logprob_nats - second;
  return sample.choices.empty() ? std::to_string(best) : sample.choices[best];
}

void compare(const std::vector<BatchingDoc>& docs, const Answers& alone, const Answers& other, BatchingArm& arm,
             std::vector<BatchingChange>& changed) {
  size_t at = 0;
  for (const BatchingDoc& doc : docs) {
    const size_t n = doc.sample.requests.size();
    for (size_t i = at; i < at + n; ++i) {
      if (alone[i].failure != EngineFailure::none || other[i].failure != EngineFailure::none) continue;
      const double difference = std::abs(alone[i].logprob_nats - other[i].logprob_nats);
      if (difference <= arm.largest_nats) continue;
      arm.largest_nats = difference;
      arm.largest_at = fmt::format("{}, doc {}, request {}", doc.task, doc.sample.doc_id, i - at);
    }
    double margin = 0, unused = 0;
    const std::string first = answer_of(doc.sample, alone.data() + at, &margin);
    const std::string second = answer_of(doc.sample, other.data() + at, &unused);
    if (first != second) {
      ++arm.n_changed;
      changed.push_back({arm.name, doc.task, doc.sample.doc_id, first, second, margin});
    }
    at += n;
  }
}

}  // namespace

Result<BatchingReport> check_batching(Engine& engine, const std::vector<BatchingDoc>& docs,
                                      const std::function<void(const std::string&, double)>& progress) {
  if (!engine.info().can.exact)
    return bad_input(fmt::format("the engine {} cannot decode requests one by one, so there is nothing to compare with", engine.info().name));
  std::vector<Request> requests = requests_of(docs);
  BatchingReport report;
  report.n_docs = static_cast<int64_t>(docs.size());
  report.n_requests = static_cast<int64_t>(requests.size());
  BatchingArm alone{"alone"}, batched{"batched"}, shuffled{"shuffled"};
  QEVAL_TRY(Answers reference, ask(engine, requests, true, alone, progress));
  QEVAL_TRY(Answers full, ask(engine, requests, false, batched, progress));
  // The engine orders what has one priority, so priorities drawn at random give batches of other requests.
  PyRandom random(1);
  for (Request& request : requests) request.priority = static_cast<int>(random.randbelow(4));
  QEVAL_TRY(Answers mixed, ask(engine, requests, false, shuffled, progress));
  compare(docs, reference, full, batched, report.changed);
  compare(docs, reference, mixed, shuffled, report.changed);
  report.arms = {alone, batched, shuffled};
  return report;
}

}  // namespace qeval
