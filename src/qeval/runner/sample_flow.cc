#include "qeval/runner/sample_flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr auto kReportEvery = std::chrono::milliseconds(200);

Json engine_identity(const EngineInfo& info) {
  return {{"name", info.name}, {"version", info.version}, {"build", info.build}, {"device", info.device},
          {"settings", info.settings}};
}

Response failed(RequestId id, EngineFailure failure, std::string message) {
  Response r;
  r.id = id;
  r.finish = FinishReason::failed;
  r.failure = failure;
  r.failure_message = std::move(message);
  return r;
}

}  // namespace

SampleFlow::SampleFlow(const RunPlan& plan, const RunServices& services, RunId run,
                       std::vector<std::unique_ptr<TaskState>>& tasks, Engine& engine)
    : plan_(plan), services_(services), run_(run), tasks_(tasks), engine_(engine),
      weights_identity_(engine.info().weights.identity()), engine_identity_(engine_identity(engine.info())), pool_(2) {
  engine_identity_["exact"] = plan.exact;
  if (plan.max_in_flight > 0) engine_identity_["max_in_flight"] = plan.max_in_flight;
  if (!plan.weights_id.empty()) weights_identity_["declared_id"] = plan.weights_id;
  if (engine.info().can.chat_template) {
    renderer_ = [this](const ChatPrompt& chat) -> Result<std::string> {
      QEVAL_TRY(RenderedPrompt rendered, engine_.render(chat));
      return rendered.text;
    };
  }
  for (auto& t : tasks_) progress_.n_total += static_cast<int64_t>(t->task->doc_ids().size());
}

// A run that may not share with others gets keys of its own.
std::string SampleFlow::key_of(const Request& request) const {
  std::string key = reuse_key(request, weights_identity_, engine_identity_);
  if (plan_.fresh || !plan_.reuse_across_runs) key = sha256_hex(fmt::format("{}:run:{}", key, run_));
  return key;
}

Status SampleFlow::run() {
  SessionOptions options;
  options.exact = plan_.exact;
  if (plan_.max_in_flight > 0) options.max_pending = static_cast<size_t>(plan_.max_in_flight);
  QEVAL_TRY(session_, engine_.open_session(options));
  while (true) {
    if (stop_requested()) {
      interrupted_ = true;
      break;
    }
    QEVAL_CHECK(feed());
    if (built_all_ && backlog_.empty() && in_flight_.empty()) break;
    if (auto response = session_->next(std::chrono::milliseconds(50))) {
      const bool is_failure = response->failure != EngineFailure::none;
      QEVAL_CHECK(take(std::move(*response)));
      if (is_failure) QEVAL_CHECK(keep_what_is_there());
    } else if (session_->finished() && !in_flight_.empty()) {
      return fail(ErrorKind::environment, fmt::format("the engine ended with {} requests unanswered", in_flight_.size()));
    }
    report(false);
  }
  if (interrupted_) {
    session_->cancel_all();
    QEVAL_CHECK(drain());
  }
  pool_.wait_idle();
  performance_ = tally_.finish(session_->stats(), first_submit_s_ < 0 ? 0 : last_response_s_ - first_submit_s_);
  report(true);
  std::lock_guard lock(error_mutex_);
  if (score_error_) return fail(*score_error_);
  return {};
}

// Where the engine has died, what it answered before is stored, and the run ends with its reason.
Status SampleFlow::keep_what_is_there() {
  std::optional<Error> died = session_->died();
  if (!died) return {};
  while (auto response = session_->next(std::chrono::milliseconds(0)))
    if (response->failure == EngineFailure::none) QEVAL_CHECK(take(std::move(*response)));
  pool_.wait_idle();
  return fail(std::move(*died));
}

Status SampleFlow::drain() {
  session_->close_input();
  auto deadline = SteadyClock::now() + std::chrono::milliseconds(1500);
  while (!session_->finished() && SteadyClock::now() < deadline) {
    auto response = session_->next(std::chrono::milliseconds(20));
    if (response && response->finish != FinishReason::cancelled) QEVAL_CHECK(take(std::move(*response)));
  }
  return {};
}

Status SampleFlow::feed() {
  while (!stop_requested()) {
    QEVAL_TRY(bool all_submitted, submit_backlog());
    if (!all_submitted) return {};
    TaskState* task = nullptr;
    size_t index = 0;
    if (!next_sample(task, index)) {
      built_all_ = true;
      close_input_if_done();
      return {};
    }
    QEVAL_CHECK(open_sample(*task, index));
    // Answers must not wait until everything is built.
    if (auto response = session_->next(std::chrono::milliseconds(0))) QEVAL_CHECK(take(std::move(*response)));
    report(false);
  }
  return {};
}

bool SampleFlow::next_sample(TaskState*& task, size_t& index) {
  while (task_cursor_ < tasks_.size()) {
    TaskState& t = *tasks_[task_cursor_];
    const auto& ids = t.task->doc_ids();
    while (sample_cursor_ < ids.size()) {
      size_t i = sample_cursor_++;
      bool stored = false;
      {
        std::lock_guard lock(t.mutex);
        stored = t.scores.count(ids[i]) > 0;
      }
      if (stored) {
        ++n_scored_;
        ++progress_.n_reused;
        continue;
      }
      task = &t;
      index = i;
      return true;
    }
    ++task_cursor_;
    sample_cursor_ = 0;
  }
  return false;
}

Status SampleFlow::open_sample(TaskState& task, size_t index) {
  auto open = std::make_shared<OpenSample>();
  open->task = &task;
  const bool as_chat = engine_.info().can.own_chat && task.task->spec().scoring.output_type == OutputType::generate_until;
  QEVAL_TRY(open->sample, task.task->build(index, as_chat ? ChatRenderer() : renderer_));
  QEVAL_CHECK(services_.store->put_sample(run_, task.task->spec().name, open->sample));
  size_t n = open->sample.requests.size();
  open->responses.resize(n);
  open->answered.assign(n, false);
  open->n_missing = n;
  if (task.task->max_turns() > 1) {
    open->conversation = next_conversation_;
    next_conversation_ += static_cast<uint64_t>(std::max(1, task.task->spec().repeats));
    ++n_open_conversations_;
  }
  return n == 0 ? complete(open) : ask(open, 0);
}

Status SampleFlow::ask(const SamplePtr& open, size_t from) {
  std::vector<std::string> keys;
  for (size_t i = from; i < open->sample.requests.size(); ++i) keys.push_back(key_of(open->sample.requests[i]));
  QEVAL_TRY(auto stored, services_.store->find_responses(keys, run_));
  const std::string& task_name = open->task->task->spec().name;
  // The last answer may lead to a further turn, whose requests are asked in a call of their own.
  for (size_t k = 0; k < keys.size(); ++k) {
    size_t i = from + k;
    RequestRef ref{task_name, open->sample.doc_id, static_cast<int>(i)};
    if (auto hit = stored.find(keys[k]); hit != stored.end()) {
      QEVAL_CHECK(services_.store->link_response(run_, ref, keys[k]));
      tally_.add_reused();
      QEVAL_CHECK(answer({open, i}, hit->second.response, true));
      continue;
    }
    if (auto same = by_key_.find(keys[k]); same != by_key_.end()) {
      in_flight_[same->second].waiters.push_back({open, i});
      continue;
    }
    Request request = open->sample.requests[i];
    request.id = next_id_++;
    if (open->conversation != 0) {
      request.conversation = open->conversation + static_cast<uint64_t>(std::max(0, request.repeat));
      request.priority += open->turn;
    }
    by_key_[keys[k]] = request.id;
    in_flight_[request.id] = {keys[k], {{open, i}}, open->sample.requests[i]};
    // A conversation that goes on comes before a new one: its prefix is still resident.
    if (open->turn > 0) backlog_.push_front(std::move(request));
    else backlog_.push_back(std::move(request));
  }
  return {};
}

Status SampleFlow::complete(const SamplePtr& sample) {
  if (sample->conversation != 0) {
    QEVAL_TRY(bool goes_on, next_turn(sample));
    if (goes_on) return {};
    --n_open_conversations_;
    close_input_if_done();
  }
  score(sample);
  return {};
}

Result<bool> SampleFlow::next_turn(const SamplePtr& sample) {
  OpenSample& open = *sample;
  for (const Response& r : open.responses)
    if (r.failure != EngineFailure::none) return false;
  auto asked = open.task->task->follow_up(open.sample, open.responses);
  if (!asked && asked.error().kind == ErrorKind::environment) {
    // Counted as a failure of the sandbox when it is scored; what was answered is kept, and the same command goes on.
    if (services_.note && !told_tools_failed_) services_.note(fmt::format("{}: doc {}: {}", open.task->task->spec().name, open.sample.doc_id, asked.error().message));
    told_tools_failed_ = true;
    return false;
  }
  if (!asked) return fail(asked.error().in(fmt::format("{}: doc {}", open.task->task->spec().name, open.sample.doc_id)));
  if (asked->empty()) return false;
  size_t from = open.sample.requests.size();
  std::move(asked->begin(), asked->end(), std::back_inserter(open.sample.requests));
  QEVAL_CHECK(services_.store->put_sample(run_, open.task->task->spec().name, open.sample));
  size_t n = open.sample.requests.size();
  open.responses.resize(n);
  open.answered.resize(n, false);
  open.n_missing = n - from;
  ++open.turn;
  QEVAL_CHECK(ask(sample, from));
  return true;
}

// Once closed, an engine may order globally; a conversation that goes on keeps it open.
void SampleFlow::close_input_if_done() {
  if (!built_all_ || input_closed_ || n_open_conversations_ > 0) return;
  session_->close_input();
  input_closed_ = true;
}

Result<bool> SampleFlow::submit_backlog() {
  while (!backlog_.empty()) {
    if (first_submit_s_ < 0) first_submit_s_ = seconds_since(start_);
    QEVAL_TRY(bool accepted, session_->submit(backlog_.front()));
    if (!accepted) return false;
    backlog_.pop_front();
  }
  return true;
}

Status SampleFlow::take(Response response) {
  auto it = in_flight_.find(response.id);
  if (it == in_flight_.end()) return {};
  InFlight flight = std::move(it->second);
  in_flight_.erase(it);
  by_key_.erase(flight.key);
  if (response.finish == FinishReason::cancelled) response = failed(response.id, EngineFailure::engine_error, "cancelled");
  last_response_s_ = seconds_since(start_);
  const bool generated = flight.request.kind == RequestKind::generate;
  tally_.add(response, generated, last_response_s_);
  tally_.note_request(response.n_prompt_tokens + (generated ? flight.request.max_new_tokens : response.n_new_tokens), generated);
  bool first = true;
  for (const Waiter& waiter : flight.waiters) {
    if (response.failure == EngineFailure::none) {
      RequestRef ref{waiter.sample->task->task->spec().name, waiter.sample->sample.doc_id, static_cast<int>(waiter.index)};
      if (first) QEVAL_CHECK(services_.store->put_response(run_, ref, flight.key, flight.request, response));
      else QEVAL_CHECK(services_.store->link_response(run_, ref, flight.key));
    }
    QEVAL_CHECK(answer(waiter, response, false));
    first = false;
  }
  return {};
}

Status SampleFlow::answer(const Waiter& waiter, const Response& response, bool reused) {
  OpenSample& open = *waiter.sample;
  if (open.answered[waiter.index]) return {};
  open.answered[waiter.index] = true;
  open.responses[waiter.index] = response;
  open.all_reused = open.all_reused && reused;
  TaskState& t = *open.task;
  t.n_prompt_tokens += response.n_prompt_tokens;
  if (open.sample.requests[waiter.index].kind == RequestKind::generate) t.n_new_tokens += response.n_new_tokens;
  if (!reused) {
    double now = seconds_since(start_);
    if (t.first_s < 0) t.first_s = std::max(0.0, now - response.total_s);
    t.last_s = now;
  }
  return --open.n_missing == 0 ? complete(waiter.sample) : Status();
}

void SampleFlow::score(const SamplePtr& sample) {
  TaskState& t = *sample->task;
  if (sample->all_reused && !sample->sample.requests.empty()) {
    ++t.n_reused;
    ++progress_.n_reused;
  }
  progress_.task = t.task->spec().name;
  if (plan_.predict_only) {
    ++n_scored_;
    return;
  }
  pool_.push([this, sample] {
    TaskState& task = *sample->task;
    std::vector<Score> scores = task.scorer->score(sample->sample, sample->responses);
    auto put = services_.store->put_scores(run_, task.task->spec().name, sample->sample.doc_id, kScorerVersion, scores,
                                           task.scorer->backend());
    if (!put) {
      std::lock_guard lock(error_mutex_);
      if (!score_error_) score_error_ = put.error();
    }
    if (!scores.empty() && is_infrastructure(scores[0].failure_class)) ++n_failed_;
    std::lock_guard lock(task.mutex);
    task.keep(sample->sample.doc_id, std::move(scores));
    ++n_scored_;
  });
}

void SampleFlow::report(bool now) {
  if (!services_.progress) return;
  if (!now && SteadyClock::now() - last_report_ < kReportEvery) return;
  last_report_ = SteadyClock::now();
  progress_.n_done = n_scored_;
  progress_.n_failed = n_failed_;
  progress_.n_requests_in_flight = static_cast<int64_t>(in_flight_.size());
  progress_.n_new_tokens = tally_.so_far().n_new_tokens;
  progress_.n_prompt_tokens = tally_.so_far().n_prompt_tokens;
  progress_.elapsed_s = seconds_since(start_);
  services_.progress(progress_);
}

}  // namespace qeval
