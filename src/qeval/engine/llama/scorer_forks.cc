#include <algorithm>

#include "qeval/engine/llama/scorer.h"

// The part of the scorer for models with recurrent state, whose sequences fork only as a whole.
namespace qeval {
namespace {

constexpr int kMinShare = 16;  // tokens that pay for a fork

}  // namespace

void LikelihoodScorer::step_forked() {
  if (plan_.empty()) {
    sort_jobs();
    const int priority = order_.front()->priority;
    auto end = std::partition_point(order_.begin(), order_.end(), [&](auto* job) { return job->priority >= priority; });
    plan_jobs_.assign(order_.begin(), end);
    order_.erase(order_.begin(), end);
    plan_ = plan_forks(plan_jobs_, plan_jobs_.size(), kMinShare, std::min(8, n_seqs_ - 1));
    node_seq_.assign(plan_.size(), -1);
    children_left_.clear();
    for (const ForkNode& node : plan_) children_left_.push_back(node.n_children);
    next_node_ = 0;
    free_seqs_.clear();
    for (int id = n_seqs_ - 1; id >= 0; --id) free_seqs_.push_back(id);
    context_.clear();
    // Each job is charged for the edges that it is the first to need.
    for (ScoreJob* job : plan_jobs_) job->n_cached = job->n_input();
    for (const ForkNode& node : plan_) plan_jobs_[static_cast<size_t>(node.job)]->n_cached -= node.end - node.begin;
  }

  // Preorder: a node's parent is resident or in the same wave, and what stays resident is the path to the next node.
  std::vector<int> wave;
  int n_tokens = 0;
  while (next_node_ < plan_.size() && wave.size() < free_seqs_.size()) {
    const ForkNode& node = plan_[next_node_];
    const int length = node.end - node.begin;
    if (!wave.empty() && n_tokens + length > settings_.n_ubatch) break;
    n_tokens += length;
    wave.push_back(static_cast<int>(next_node_++));
  }
  if (!run_forks(wave)) {
    std::vector<ScoreJob*> rest;
    for (ScoreJob* job : plan_jobs_)
      if (job->n_rows_left > 0) rest.push_back(job);
    plan_jobs_.clear();
    plan_.clear();
    alone(rest);
    return;
  }
  if (next_node_ == plan_.size()) {
    plan_jobs_.clear();
    plan_.clear();
  }
}

bool LikelihoodScorer::run_forks(const std::vector<int>& nodes) {
  std::vector<int> by_depth = nodes;
  std::stable_sort(by_depth.begin(), by_depth.end(), [&](int a, int b) {
    return plan_[static_cast<size_t>(a)].depth < plan_[static_cast<size_t>(b)].depth;
  });
  for (size_t at = 0; at < by_depth.size();) {
    size_t end = at;
    const int depth = plan_[static_cast<size_t>(by_depth[at])].depth;
    while (end < by_depth.size() && plan_[static_cast<size_t>(by_depth[end])].depth == depth) ++end;
    if (!run_level({by_depth.begin() + static_cast<std::ptrdiff_t>(at), by_depth.begin() + static_cast<std::ptrdiff_t>(end)}))
      return false;
    at = end;
  }
  for (int index : nodes)
    if (const int parent = plan_[static_cast<size_t>(index)].parent; parent >= 0) --children_left_[static_cast<size_t>(parent)];
  for (size_t index = 0; index < next_node_; ++index) {
    if (node_seq_[index] < 0 || children_left_[index] > 0) continue;
    context_.remove(node_seq_[index]);
    free_seqs_.push_back(node_seq_[index]);
    node_seq_[index] = -1;
  }
  std::sort(free_seqs_.begin(), free_seqs_.end(), std::greater<>());
  for (ScoreJob* job : plan_jobs_)
    if (job->n_rows_left == 0 && !job->finished) {
      finish_job(*job);
      job->finished = true;
    }
  return true;
}

bool LikelihoodScorer::run_level(const std::vector<int>& nodes) {
  for (int index : nodes) {
    const ForkNode& node = plan_[static_cast<size_t>(index)];
    node_seq_[static_cast<size_t>(index)] = free_seqs_.back();
    free_seqs_.pop_back();
    if (node.parent >= 0) context_.copy(node_seq_[static_cast<size_t>(node.parent)], node_seq_[static_cast<size_t>(index)]);
    for (const ForkReader& reader : node.readers) mark_started(*plan_jobs_[static_cast<size_t>(reader.job)]);
  }
  struct Want {
    int index;
    const ForkReader* first;
    const ForkReader* last;
  };
  std::vector<Want> wanted;
  auto flush = [&] {
    if (batch_.size() == 0) return true;
    if (context_.decode(batch_) != DecodeStatus::ok) return false;
    for (const Want& want : wanted) {
      const float* logits = context_.row(want.index);
      if (!logits) return false;
      const RowSummary row = summarize_row(logits, static_cast<size_t>(model_.n_vocab()));
      for (const ForkReader* r = want.first; r != want.last; ++r)
        read_row(*plan_jobs_[static_cast<size_t>(r->job)], r->target, row, logits);
    }
    batch_.clear();
    wanted.clear();
    return true;
  };
  batch_.clear();
  for (int index : nodes) {
    const ForkNode& node = plan_[static_cast<size_t>(index)];
    const std::vector<TokenId>& tokens = plan_jobs_[static_cast<size_t>(node.job)]->tokens;
    const ForkReader* reader = node.readers.data();
    const ForkReader* end = reader + node.readers.size();
    for (int pos = node.begin; pos < node.end; ++pos) {
      const ForkReader* first = reader;
      while (reader != end && reader->pos == pos) ++reader;
      const bool want = reader != first;
      if (batch_.size() >= settings_.n_ubatch || (want && batch_.n_rows() >= settings_.max_rows))
        if (!flush()) return false;
      const int at = batch_.add(tokens[static_cast<size_t>(pos)], pos, &ids_[static_cast<size_t>(node_seq_[static_cast<size_t>(index)])], 1, want);
      if (want) wanted.push_back({at, first, reader});
    }
  }
  return flush();
}

}  // namespace qeval
