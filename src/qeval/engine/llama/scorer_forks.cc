#include <algorithm>

#include "qeval/engine/llama/scorer.h"

// The part of the scorer for models with recurrent state, whose sequences fork only as a whole. llama.cpp takes equally
// many tokens from every sequence of a micro-batch, so each decode call here is such a rectangle.
namespace qeval {
namespace {

constexpr int kMinShare = 2;     // tokens that pay for a fork
constexpr int kOpenBatches = 6;  // micro-batches of work that are open at once

}  // namespace

void LikelihoodScorer::plan_all() {
  sort_jobs();
  const int priority = order_.front()->priority;
  auto end = std::partition_point(order_.begin(), order_.end(), [&](auto* job) { return job->priority >= priority; });
  plan_jobs_.assign(order_.begin(), end);
  order_.erase(order_.begin(), end);
  n_sorted_ = order_.size();
  plan_ = plan_forks(plan_jobs_, plan_jobs_.size(), kMinShare, std::min(8, n_seqs_ - 1));
  fork_states_.assign(plan_.size(), {});
  ready_.clear();
  open_.clear();
  plan_depth_ = 0;
  n_plan_tokens_ = 0;
  for (size_t i = 0; i < plan_.size(); ++i) {
    const ForkNode& node = plan_[i];
    fork_states_[i].at = node.begin;
    if (node.parent < 0) ready_.insert(static_cast<int>(i));
    else fork_states_[static_cast<size_t>(node.parent)].children.push_back(static_cast<int>(i));
    plan_depth_ = std::max(plan_depth_, node.depth + 1);
    n_plan_tokens_ += node.end - node.begin;
  }
  for (size_t i = plan_.size(); i-- > 0;) {  // children come after their parents
    ForkState& state = fork_states_[i];
    state.n_unforked = state.n_unfinished = static_cast<int>(state.children.size());
    for (int child : state.children) {
      const ForkNode& node = plan_[static_cast<size_t>(child)];
      state.n_below = std::max(state.n_below, node.end - node.begin + fork_states_[static_cast<size_t>(child)].n_below);
    }
  }
  n_cells_ = 0;
  free_seqs_.clear();
  for (int id = n_seqs_ - 1; id >= 0; --id) free_seqs_.push_back(id);
  context_.clear();
  // Each job is charged for the edges that it is the first to need.
  for (ScoreJob* job : plan_jobs_) job->n_cached = job->n_input();
  for (const ForkNode& node : plan_) plan_jobs_[static_cast<size_t>(node.job)]->n_cached -= node.end - node.begin;
}

void LikelihoodScorer::step_forked() {
  if (plan_.empty()) plan_all();
  open_nodes();
  if (!run_rectangle(choose_rectangle())) {
    std::vector<ScoreJob*> rest;
    for (ScoreJob* job : plan_jobs_)
      if (job->n_read < job->n_targets) rest.push_back(job);
    plan_jobs_.clear();
    plan_.clear();
    alone(rest);
    return;
  }
  for (ScoreJob* job : plan_jobs_)
    if (job->n_read == job->n_targets && !job->finished) {
      finish_job(*job);
      job->finished = true;
    }
  if (ready_.empty() && open_.empty()) {
    plan_jobs_.clear();
    plan_.clear();
  }
}

// Gives sequences to nodes whose parent is decoded, in preorder. A node holds its sequence until all its children have
// begun, and its cells until they are done: it is opened only while both suffice for a path from it to the deepest leaf,
// so that the node opened last can always be finished.
void LikelihoodScorer::open_nodes() {
  int n_tokens = 0;
  for (int index : open_) n_tokens += tokens_left(index);
  for (auto it = ready_.begin(); it != ready_.end();) {
    const int index = *it;
    const ForkNode& node = plan_[static_cast<size_t>(index)];
    // Enough to choose from; more would only be cells that every token attends over.
    if (node.parent < 0 && n_tokens > kOpenBatches * settings_.n_ubatch) return;
    ForkState& state = fork_states_[static_cast<size_t>(index)];
    ForkState* parent = node.parent < 0 ? nullptr : &fork_states_[static_cast<size_t>(node.parent)];
    const int length = node.end - node.begin;
    const bool fits = n_cells_ + length + state.n_below <= context_.shape().n_ctx_seq;
    if (fits && parent && parent->n_unforked == 1) {  // the last child goes on in its parent's own sequence
      state.seq = parent->seq;
      parent->seq = -1;
    } else if (fits && static_cast<int>(free_seqs_.size()) > plan_depth_ - 1 - node.depth) {
      state.seq = free_seqs_.back();
      free_seqs_.pop_back();
      if (parent) context_.copy(parent->seq, state.seq);
    } else if (node.depth == 0) {
      return;  // the roots behind need as much
    } else {
      ++it;
      continue;
    }
    if (parent) --parent->n_unforked;
    n_tokens += length;
    n_cells_ += length;
    peak_cells_ = std::max<int64_t>(peak_cells_, n_cells_);
    for (const ForkReader& reader : node.readers) mark_started(*plan_jobs_[static_cast<size_t>(reader.job)]);
    open_.push_back(index);
    it = ready_.erase(it);
  }
}

int LikelihoodScorer::tokens_left(int node) const {
  return plan_[static_cast<size_t>(node)].end - fork_states_[static_cast<size_t>(node)].at;
}

int LikelihoodScorer::path_left(int node) const { return tokens_left(node) + fork_states_[static_cast<size_t>(node)].n_below; }

LikelihoodScorer::Rectangle LikelihoodScorer::choose_rectangle() {
  std::stable_sort(open_.begin(), open_.end(), [&](int a, int b) { return tokens_left(a) > tokens_left(b); });
  Rectangle best;
  for (size_t n = 1; n <= open_.size() && n <= static_cast<size_t>(settings_.n_ubatch); ++n) {
    const int width = std::min(tokens_left(open_[n - 1]), settings_.n_ubatch / static_cast<int>(n));
    if (static_cast<int>(n) * width > static_cast<int>(best.n_nodes) * best.width) best = {n, width};
  }
  // Of those that are long enough, the ones with most behind them: they hold up the rest.
  const auto long_enough = std::partition_point(open_.begin(), open_.end(), [&](int node) { return tokens_left(node) >= best.width; });
  std::stable_sort(open_.begin(), long_enough, [&](int a, int b) { return path_left(a) > path_left(b); });
  // Not more rows than there is room for.
  auto n_rows = [&] {
    int n = 0;
    for (size_t i = 0; i < best.n_nodes; ++i) {
      const ForkNode& node = plan_[static_cast<size_t>(open_[i])];
      const int at = fork_states_[static_cast<size_t>(open_[i])].at;
      int last = -1;
      for (const ForkReader& reader : node.readers) {
        if (reader.pos >= at && reader.pos < at + best.width && reader.pos != last) ++n;
        last = reader.pos;
      }
    }
    return n;
  };
  while (n_rows() > settings_.max_rows) {
    if (best.width > 1) best.width = std::max(1, best.width / 2);
    else --best.n_nodes;
  }
  return best;
}

bool LikelihoodScorer::run_rectangle(const Rectangle& rectangle) {
  struct Want {
    const ForkReader* first;
    const ForkReader* last;
  };
  std::vector<Want> wants;
  batch_.clear();
  wanted_.clear();
  std::vector<int> chosen(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(rectangle.n_nodes));
  std::sort(chosen.begin(), chosen.end(), [&](int a, int b) {
    return fork_states_[static_cast<size_t>(a)].seq < fork_states_[static_cast<size_t>(b)].seq;
  });
  for (int index : chosen) {
    const ForkNode& node = plan_[static_cast<size_t>(index)];
    ForkState& state = fork_states_[static_cast<size_t>(index)];
    const std::vector<TokenId>& tokens = plan_jobs_[static_cast<size_t>(node.job)]->tokens;
    const ForkReader* reader = node.readers.data();
    const ForkReader* end = reader + node.readers.size();
    while (reader != end && reader->pos < state.at) ++reader;
    for (int k = 0; k < rectangle.width; ++k, ++state.at) {
      const ForkReader* first = reader;
      while (reader != end && reader->pos == state.at) ++reader;
      const bool want = reader != first;
      const int at = batch_.add(tokens[static_cast<size_t>(state.at)], state.at, &ids_[static_cast<size_t>(state.seq)], 1, want);
      if (!want) continue;
      wanted_.push_back(at);
      wants.push_back({first, reader});
    }
  }
  if (n_plan_tokens_ >= settings_.n_ubatch) {
    n_fill_tokens_ += batch_.size();
    n_fill_room_ += settings_.n_ubatch;
  }
  n_plan_tokens_ -= batch_.size();
  if (context_.decode(batch_) != DecodeStatus::ok || !reduce_rows(wanted_)) return false;
  for (size_t row = 0; row < wants.size(); ++row)
    for (const ForkReader* r = wants[row].first; r != wants[row].last; ++r)
      read_row(*plan_jobs_[static_cast<size_t>(r->job)], r->target, row);
  close_nodes();
  return true;
}

void LikelihoodScorer::close_nodes() {
  std::erase_if(open_, [&](int index) {
    if (tokens_left(index) > 0) return false;
    ForkState& state = fork_states_[static_cast<size_t>(index)];
    ready_.insert(state.children.begin(), state.children.end());
    if (state.children.empty()) {
      context_.remove(state.seq);
      free_seqs_.push_back(state.seq);
      state.seq = -1;
      free_cells(index);
    }
    return true;
  });
  std::sort(free_seqs_.begin(), free_seqs_.end(), std::greater<>());
}

// Of a node whose children are all done, and of those above for which that was the last.
void LikelihoodScorer::free_cells(int index) {
  while (index >= 0) {
    const ForkNode& node = plan_[static_cast<size_t>(index)];
    n_cells_ -= node.end - node.begin;
    if (node.parent < 0 || --fork_states_[static_cast<size_t>(node.parent)].n_unfinished > 0) return;
    index = node.parent;
  }
}

}  // namespace qeval
