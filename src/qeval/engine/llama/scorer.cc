#include "qeval/engine/llama/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qeval/core/llama_sizes.h"

namespace qeval {
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
    pending.jobs.push_back(std::make_unique<ScoreJob>(std::move(job)));
    order_.push_back(pending.jobs.back().get());
  }
}

bool LikelihoodScorer::starved() const {
  int64_t n = 0;
  for (size_t k = 0; k < order_.size() && n < settings_.n_ubatch; ++k) n += order_[k]->n_targets;
  return plan_.empty() && n < settings_.n_ubatch;
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
    n_sorted_ = 0;
    std::erase_if(order_, [&](const ScoreJob* job) { return job->owner == owner; });
    requests_.erase(owner);
  }
}

void LikelihoodScorer::forget_plan() {
  for (ScoreJob* job : plan_jobs_) {
    if (job->n_read == job->n_targets) continue;
    restart(*job);
    order_.push_back(job);
  }
  plan_jobs_.clear();
  plan_.clear();
  spine_.clear();
  if (context_.exists()) context_.clear();
}

void LikelihoodScorer::fail_all(EngineFailure failure, const std::string& message) {
  plan_jobs_.clear();
  plan_.clear();
  order_.clear();
  n_sorted_ = 0;
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
  const int needed = scoring_cells(longest.n_input() + 1, exact_ ? 0 : settings_.n_ubatch, forks_);
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
  const auto old_end = order_.begin() + static_cast<std::ptrdiff_t>(n_sorted_);
  if (old_end == order_.end()) return;
  std::sort(old_end, order_.end(), score_order);
  std::inplace_merge(order_.begin(), old_end, order_.end(), score_order);
  n_sorted_ = order_.size();
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
    --n_sorted_;
    alone({job});
  } else if (forks_) {
    step_forked();
  } else {
    step_shared();
  }
  purge_finished();
}

// The job to go on with from where the resident spine stands, within the highest priority.
size_t LikelihoodScorer::place_of_spine() {
  const int priority = order_.front()->priority;
  auto block_end = std::partition_point(order_.begin(), order_.end(), [&](auto* job) { return job->priority >= priority; });
  auto from = std::partition_point(order_.begin(), block_end, [&](const ScoreJob* job) {
    return std::lexicographical_compare(job->tokens.begin(), job->tokens.end() - 1, spine_.begin(), spine_.end());
  });
  return from == block_end ? 0 : static_cast<size_t>(from - order_.begin());
}

void LikelihoodScorer::step_shared() {
  sort_jobs();
  const size_t start = place_of_spine();
  WaveLimits limits;
  limits.n_tokens = settings_.n_ubatch;
  limits.n_rows = settings_.max_rows;
  limits.n_leaves = n_seqs_ - 1;
  limits.n_cells = context_.shape().n_ctx_seq;
  const Wave wave = plan_wave(order_, start, spine_, limits);
  count_fill(wave, start);
  const auto first = order_.begin() + static_cast<std::ptrdiff_t>(start);
  const auto end = first + static_cast<std::ptrdiff_t>(wave.n_jobs);
  std::vector<ScoreJob*> jobs(first, end + (wave.cut ? 1 : 0));
  for (size_t k = 0; k < jobs.size(); ++k) {
    mark_started(*jobs[k]);
    if (!jobs[k]->begun) jobs[k]->n_cached = wave.cached[k];
    jobs[k]->begun = true;
  }
  const bool ok = run_wave(wave);
  if (ok) {
    keep_spine(wave, start);
    jobs.resize(wave.n_jobs);  // the cut one stays
  }
  order_.erase(first, first + static_cast<std::ptrdiff_t>(jobs.size()));
  n_sorted_ -= jobs.size();
  if (ok) {
    for (ScoreJob* job : jobs) finish_job(*job);
  } else {
    spine_.clear();
    context_.clear();
    alone(jobs);  // so that only the ones at fault fail
  }
}

void LikelihoodScorer::count_fill(const Wave& wave, size_t start) {
  const int64_t full = settings_.n_ubatch, n = static_cast<int64_t>(wave.tokens.size());
  if (n < full) {
    int64_t known = trie_tokens(order_, start, spine_, full);
    if (start > 0 && known < full) known += trie_tokens(order_, 0, {}, full - known);
    if (known < full) return;
  }
  n_fill_tokens_ += n;
  n_fill_room_ += full;
}

// Attention sums a sequence's cells in the order in which they lie, so a log-likelihood is the same in every batch only if
// later tokens always lie behind earlier ones. llama.cpp fills the first free cells: with the spine packed, those behind it.
bool LikelihoodScorer::make_room_behind_spine(int resident) {
  const llama_seq_id spine_seq = n_seqs_ - 1;
  if (resident < static_cast<int>(spine_.size())) {
    if (resident > 0) context_.trim(spine_seq, resident);
    spine_.resize(static_cast<size_t>(resident));
  }
  if (resident == 0) context_.clear();
  if (n_packed_ < resident && !model_.on_gpu() && !context_.pack(spine_seq)) return false;
  n_packed_ = resident;
  return true;
}

bool LikelihoodScorer::run_wave(const Wave& wave) {
  const llama_seq_id spine_seq = n_seqs_ - 1;
  if (!make_room_behind_spine(wave.resident)) return false;
  for (size_t leaf = 0; leaf < wave.leaf_resident.size(); ++leaf)
    if (wave.leaf_resident[leaf] > 0) context_.copy(spine_seq, ids_[leaf], wave.leaf_resident[leaf]);
  peak_cells_ = std::max(peak_cells_, static_cast<int64_t>(wave.resident) + static_cast<int64_t>(wave.tokens.size()));
  if (wave.tokens.empty()) return true;
  batch_.clear();
  wanted_.clear();
  for (const WaveToken& token : wave.tokens) {
    const bool want = token.first_reader >= 0;
    const int index = batch_.add(token.token, token.pos, &ids_[static_cast<size_t>(token.first_leaf)], token.n_leaves, want);
    if (want) wanted_.push_back(index);
  }
  if (context_.decode(batch_) != DecodeStatus::ok || !reduce_rows(wanted_)) return false;
  for (size_t row = 0; row < wanted_.size(); ++row) {
    int reader = wave.tokens[static_cast<size_t>(wanted_[row])].first_reader;
    for (; reader >= 0; reader = wave.readers[static_cast<size_t>(reader)].next) {
      const WaveReader& r = wave.readers[static_cast<size_t>(reader)];
      read_row(*order_[static_cast<size_t>(r.job)], r.target, row);
    }
  }
  // The next spine is the last leaf's path.
  const int last_leaf = static_cast<int>(wave.leaf_resident.size()) - 1;
  n_packed_ = wave.leaf_resident.back();
  if (n_packed_ < wave.resident) return true;
  for (const WaveToken& token : wave.tokens) {
    if (token.pos != n_packed_ || token.first_leaf + token.n_leaves <= last_leaf) break;
    ++n_packed_;
  }
  return true;
}

// The rows lie in llama.cpp's own buffer until the next decode, and its threads are idle now: reducing them in place on
// all of them costs less than copying them away for a thread beside the next decode.
bool LikelihoodScorer::reduce_rows(const std::vector<int>& indices) {
  rows_.clear();
  for (int index : indices) {
    rows_.push_back(context_.row(index));
    if (!rows_.back()) return false;
  }
  summaries_.resize(rows_.size());
  summarize_rows(rows_, static_cast<size_t>(model_.n_vocab()), settings_.n_threads, summaries_.data());
  return true;
}

void LikelihoodScorer::keep_spine(const Wave& wave, size_t start) {
  const size_t next_at = start + wave.n_jobs;
  const ScoreJob* next = next_at < order_.size() ? order_[next_at] : nullptr;
  int shared = wave.path_length;
  const ScoreJob& last = wave.cut ? *next : *order_[next_at - 1];
  if (!wave.cut) shared = next ? common_prefix(last.tokens, last.n_input(), next->tokens, next->n_input()) : 0;
  if (shared == 0) {
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
    restart(*job);
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
    restart(*job);
    order_.push_back(job);  // answered by the next drop_cancelled()
  }
}

bool LikelihoodScorer::score_alone(ScoreJob& job, RequestId id) {
  context_.clear();
  peak_cells_ = std::max<int64_t>(peak_cells_, job.n_input());
  for (int at = 0; at < job.n_input();) {
    if (queue_.cancelled(id)) return false;
    batch_.clear();
    wanted_.clear();
    int end = at;
    for (; end < job.n_input() && batch_.size() < settings_.n_ubatch; ++end) {
      const bool want = end >= job.first_row();
      if (want && batch_.n_rows() >= settings_.max_rows) break;
      const int index = batch_.add(job.tokens[static_cast<size_t>(end)], end, ids_.data(), 1, want);
      if (want) wanted_.push_back(index);
    }
    if (context_.decode(batch_) != DecodeStatus::ok || !reduce_rows(wanted_)) return false;
    for (size_t row = 0; row < wanted_.size(); ++row) read_row(job, at + wanted_[row] - job.first_row(), row);
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

void LikelihoodScorer::restart(ScoreJob& job) {
  job.n_read = 0;
  job.greedy = true;
  job.begun = false;
  job.n_cached = 0;
}

void LikelihoodScorer::read_row(ScoreJob& job, int target, size_t row) {
  const TokenId token = job.tokens[static_cast<size_t>(job.first_row() + target + 1)];
  const RowSummary& summary = summaries_[row];
  job.logprobs[static_cast<size_t>(target)] = static_cast<double>(rows_[row][token]) - summary.log_sum_exp;
  job.greedy = job.greedy && token == summary.argmax;
  job.n_read = target + 1;
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
  n_sorted_ = 0;
  std::erase_if(order_, [&](const ScoreJob* job) { return job->owner == owner; });
  requests_.erase(owner);
}

void LikelihoodScorer::purge_finished() {
  if (!plan_.empty()) return;
  std::erase_if(requests_, [](const auto& entry) { return entry.second.n_jobs_left == 0; });
}

}  // namespace qeval
