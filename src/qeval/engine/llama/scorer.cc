#include "qeval/engine/llama/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qeval {
namespace {

constexpr int kMinSpine = 16;      // shorter leftovers are not worth keeping between waves

}  // namespace

LikelihoodScorer::LikelihoodScorer(const LlamaModel& model, const ContextSettings& settings, SessionQueue& queue, bool exact, int max_forks)
    : model_(model), settings_(settings), queue_(queue), exact_(exact), forks_(model.whole_forks_only()),
      n_seqs_(exact ? 1 : std::clamp(forks_ ? max_forks : settings.max_rows, 4,
                                     static_cast<int>(llama_max_parallel_sequences()))),
      context_(model, settings, &queue.abort_count()), ids_(static_cast<size_t>(n_seqs_)) {
  std::iota(ids_.begin(), ids_.end(), 0);
}

void LikelihoodScorer::add(const SessionQueue::Item& item, Response info, std::vector<ScoreJob> jobs) {
  Pending& pending = requests_[item.sequence];
  pending.id = item.request.id;
  pending.response = std::move(info);
  pending.response.is_greedy = true;
  pending.submitted = item.submitted;
  pending.want_token_logprobs = item.request.want_token_logprobs;
  pending.n_jobs_left = jobs.size();
  for (ScoreJob& job : jobs) {
    job.owner = item.sequence;
    job.priority = item.request.priority;
    job.logprobs.resize(static_cast<size_t>(job.n_targets));
    job.n_rows_left = job.n_targets;
    pending.jobs.push_back(std::make_unique<ScoreJob>(std::move(job)));
    order_.push_back(pending.jobs.back().get());
  }
  sorted_ = false;
}

int LikelihoodScorer::top_priority() const {
  int top = INT32_MIN;
  for (const ScoreJob* job : order_) top = std::max(top, job->priority);
  for (const ScoreJob* job : plan_jobs_) top = std::max(top, job->priority);
  return top;
}

void LikelihoodScorer::drop_cancelled() {
  std::vector<int64_t> dropped;
  for (auto& [owner, pending] : requests_)
    if (pending.n_jobs_left > 0 && queue_.cancelled(pending.id)) dropped.push_back(owner);
  if (dropped.empty()) return;
  // A plan of forks reads rows for its jobs by index, so it cannot lose one: the rest is planned anew.
  forget_plan();
  for (int64_t owner : dropped) {
    Pending& pending = requests_.at(owner);
    pending.response.finish = FinishReason::cancelled;
    queue_.complete(std::move(pending.response));
    std::erase_if(order_, [&](const ScoreJob* job) { return job->owner == owner; });
    requests_.erase(owner);
  }
}

void LikelihoodScorer::forget_plan() {
  for (ScoreJob* job : plan_jobs_) {
    if (job->n_rows_left == 0) continue;
    job->n_rows_left = job->n_targets;
    job->greedy = true;
    order_.push_back(job);
  }
  plan_jobs_.clear();
  plan_.clear();
  next_node_ = 0;
  sorted_ = false;
  spine_.clear();
  if (context_.exists()) context_.clear();
}

void LikelihoodScorer::fail_all(EngineFailure failure, const std::string& message) {
  plan_jobs_.clear();
  plan_.clear();
  order_.clear();
  spine_.clear();
  for (auto& [owner, pending] : requests_) {
    if (pending.n_jobs_left == 0) continue;
    pending.response.finish = FinishReason::failed;
    pending.response.failure = failure;
    pending.response.failure_message = message;
    queue_.complete(std::move(pending.response));
  }
  requests_.clear();
}

bool LikelihoodScorer::prepare(const ScoreJob& longest) {
  ContextShape shape;
  shape.unified = true;
  shape.n_seq_max = n_seqs_;
  const int per_wave = exact_ ? 0 : forks_ ? 2 * settings_.n_ubatch : settings_.n_ubatch;
  const int needed = pad_cells(longest.n_input() + per_wave + 1);
  if (context_.exists() && context_.shape().n_ctx_seq >= needed) return true;
  shape.n_ctx_seq = context_.exists() ? std::max(needed, context_.shape().n_ctx_seq * 3 / 2) : needed;
  forget_plan();
  Status status = context_.create(shape);
  if (!status && shape.n_ctx_seq > needed) {
    shape.n_ctx_seq = needed;
    status = context_.create(shape);
  }
  if (!status) fail_all(EngineFailure::out_of_memory, status.error().message);
  return status.has_value();
}

void LikelihoodScorer::sort_jobs() {
  if (sorted_) return;
  std::sort(order_.begin(), order_.end(), score_order);
  sorted_ = true;
}

void LikelihoodScorer::step() {
  if (order_.empty() && plan_.empty()) return;
  const ScoreJob* longest = nullptr;
  for (const ScoreJob* job : order_)
    if (!longest || job->n_input() > longest->n_input()) longest = job;
  if (longest && plan_.empty() && !prepare(*longest)) return;
  if (exact_) {
    sort_jobs();
    ScoreJob* job = order_.front();
    order_.erase(order_.begin());
    alone({job});
  } else if (forks_) {
    step_forked();
  } else {
    step_shared();
  }
  purge_finished();
}

void LikelihoodScorer::step_shared() {
  sort_jobs();
  // Go on from where the resident spine stands, within the highest priority.
  const int priority = order_.front()->priority;
  auto block_end = std::partition_point(order_.begin(), order_.end(), [&](auto* job) { return job->priority >= priority; });
  auto from = std::partition_point(order_.begin(), block_end, [&](const ScoreJob* job) {
    return std::lexicographical_compare(job->tokens.begin(), job->tokens.end() - 1, spine_.begin(), spine_.end());
  });
  if (from == block_end) from = order_.begin();
  const size_t start = static_cast<size_t>(from - order_.begin());

  WaveLimits limits;
  limits.n_tokens = settings_.n_ubatch;
  limits.n_leaves = n_seqs_ - 1;
  limits.n_cells = context_.shape().n_ctx_seq;
  const Wave wave = plan_wave(order_, start, spine_, limits);
  const std::vector<ScoreJob*> jobs(order_.begin() + static_cast<std::ptrdiff_t>(start),
                                    order_.begin() + static_cast<std::ptrdiff_t>(start + wave.n_jobs));
  for (size_t k = 0; k < jobs.size(); ++k) {
    mark_started(*jobs[k]);
    jobs[k]->n_cached = wave.cached[k];
  }
  const bool ok = run_wave(wave);
  if (ok) keep_spine(wave, start);
  order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(start),
               order_.begin() + static_cast<std::ptrdiff_t>(start + wave.n_jobs));
  if (ok) {
    for (ScoreJob* job : jobs) finish_job(*job);
  } else {
    spine_.clear();
    context_.clear();
    alone(jobs);  // so that only the ones at fault fail
  }
}

bool LikelihoodScorer::run_wave(const Wave& wave) {
  const llama_seq_id spine_seq = n_seqs_ - 1;
  if (wave.resident < static_cast<int>(spine_.size())) {
    if (wave.resident == 0) context_.clear();
    else context_.trim(spine_seq, wave.resident);
    spine_.resize(static_cast<size_t>(wave.resident));
  }
  for (size_t leaf = 0; leaf < wave.leaf_resident.size(); ++leaf)
    if (wave.leaf_resident[leaf] > 0) context_.copy(spine_seq, ids_[leaf], wave.leaf_resident[leaf]);
  peak_cells_ = std::max(peak_cells_, static_cast<int64_t>(wave.resident) + static_cast<int64_t>(wave.tokens.size()));
  for (size_t at = 0; at < wave.tokens.size();) {
    batch_.clear();
    size_t end = at;
    for (; end < wave.tokens.size() && batch_.size() < settings_.n_ubatch; ++end) {
      const WaveToken& token = wave.tokens[end];
      const bool want = token.first_reader >= 0;
      if (want && batch_.n_rows() >= settings_.max_rows) break;
      batch_.add(token.token, token.pos, &ids_[static_cast<size_t>(token.first_leaf)], token.n_leaves, want);
    }
    if (context_.decode(batch_) != DecodeStatus::ok) return false;
    for (size_t i = at; i < end; ++i) {
      int reader = wave.tokens[i].first_reader;
      if (reader < 0) continue;
      const float* logits = context_.row(static_cast<int>(i - at));
      if (!logits) return false;
      const RowSummary row = summarize_row(logits, static_cast<size_t>(model_.n_vocab()));
      for (; reader >= 0; reader = wave.readers[static_cast<size_t>(reader)].next) {
        const WaveReader& r = wave.readers[static_cast<size_t>(reader)];
        read_row(*order_[static_cast<size_t>(r.job)], r.target, row, logits);
      }
    }
    at = end;
  }
  return true;
}

void LikelihoodScorer::keep_spine(const Wave& wave, size_t start) {
  const ScoreJob& last = *order_[start + wave.n_jobs - 1];
  const ScoreJob* next = start + wave.n_jobs < order_.size() ? order_[start + wave.n_jobs] : nullptr;
  const int shared = next ? common_prefix(last.tokens, last.n_input(), next->tokens, next->n_input()) : 0;
  if (shared < kMinSpine) {
    context_.clear();
    spine_.clear();
    return;
  }
  const int n_leaves = static_cast<int>(wave.leaf_resident.size());
  context_.remove(n_seqs_ - 1);
  context_.copy(ids_[static_cast<size_t>(n_leaves) - 1], n_seqs_ - 1, shared);
  for (int leaf = 0; leaf < n_leaves; ++leaf) context_.remove(ids_[static_cast<size_t>(leaf)]);
  spine_.assign(last.tokens.begin(), last.tokens.begin() + shared);
}

void LikelihoodScorer::alone(std::vector<ScoreJob*> jobs) {
  std::vector<int64_t> owners;
  for (const ScoreJob* job : jobs) owners.push_back(job->owner);
  for (size_t k = 0; k < jobs.size(); ++k) {
    auto found = requests_.find(owners[k]);
    if (found == requests_.end()) continue;  // failed with another of its jobs
    ScoreJob* job = jobs[k];
    const RequestId id = found->second.id;
    job->n_rows_left = job->n_targets;
    job->greedy = true;
    job->n_cached = 0;
    if (!queue_.cancelled(id)) {
      mark_started(*job);
      if (score_alone(*job, id)) {
        finish_job(*job);
        continue;
      }
      if (!queue_.cancelled(id)) {
        fail_request(owners[k], EngineFailure::engine_error, context_.decode_error());
        continue;
      }
    }
    job->n_rows_left = job->n_targets;
    order_.push_back(job);  // answered by the next drop_cancelled()
    sorted_ = false;
  }
}

bool LikelihoodScorer::score_alone(ScoreJob& job, RequestId id) {
  context_.clear();
  peak_cells_ = std::max<int64_t>(peak_cells_, job.n_input());
  for (int at = 0; at < job.n_input();) {
    if (queue_.cancelled(id)) return false;
    batch_.clear();
    int end = at;
    for (; end < job.n_input() && batch_.size() < settings_.n_ubatch; ++end) {
      const bool want = end >= job.first_row();
      if (want && batch_.n_rows() >= settings_.max_rows) break;
      batch_.add(job.tokens[static_cast<size_t>(end)], end, ids_.data(), 1, want);
    }
    if (context_.decode(batch_) != DecodeStatus::ok) return false;
    for (int pos = std::max(at, job.first_row()); pos < end; ++pos) {
      const float* logits = context_.row(pos - at);
      if (!logits) return false;
      read_row(job, pos - job.first_row(), summarize_row(logits, static_cast<size_t>(model_.n_vocab())), logits);
    }
    at = end;
  }
  context_.clear();
  return true;
}

void LikelihoodScorer::mark_started(ScoreJob& job) {
  Pending& pending = requests_.at(job.owner);
  if (pending.started) return;
  pending.started = true;
  pending.response.queue_s = seconds_since(pending.submitted);
}

void LikelihoodScorer::read_row(ScoreJob& job, int target, const RowSummary& row, const float* logits) {
  const TokenId token = job.tokens[static_cast<size_t>(job.first_row() + target + 1)];
  job.logprobs[static_cast<size_t>(target)] = static_cast<double>(logits[token]) - row.log_sum_exp;
  job.greedy = job.greedy && token == row.argmax;
  --job.n_rows_left;
}

void LikelihoodScorer::finish_job(ScoreJob& job) {
  Pending& pending = requests_.at(job.owner);
  Response& response = pending.response;
  response.is_greedy = response.is_greedy && job.greedy;
  response.n_cached_tokens += std::min(job.n_cached, job.first_row() + 1);
  if (--pending.n_jobs_left > 0) return;
  for (const auto& each : pending.jobs) {
    for (size_t i = 0; i < each->logprobs.size(); ++i) {
      response.logprob_nats += each->logprobs[i];
      if (pending.want_token_logprobs)
        response.token_logprobs.push_back({each->tokens[static_cast<size_t>(each->first_row()) + i + 1], each->logprobs[i]});
    }
  }
  if (std::isfinite(response.logprob_nats)) {
    response.finish = FinishReason::scored;
  } else {
    response.finish = FinishReason::failed;
    response.failure = EngineFailure::engine_error;
    response.failure_message = "the model's logits are not finite";
  }
  queue_.complete(std::move(response));  // purge_finished() forgets it once no plan holds its jobs
}

void LikelihoodScorer::fail_request(int64_t owner, EngineFailure failure, const std::string& message) {
  Response& response = requests_.at(owner).response;
  response.finish = FinishReason::failed;
  response.failure = failure;
  response.failure_message = message;
  queue_.complete(std::move(response));
  std::erase_if(order_, [&](const ScoreJob* job) { return job->owner == owner; });
  requests_.erase(owner);
}

void LikelihoodScorer::purge_finished() {
  if (!plan_.empty()) return;
  std::erase_if(requests_, [](const auto& entry) { return entry.second.n_jobs_left == 0; });
}

}  // namespace qeval
