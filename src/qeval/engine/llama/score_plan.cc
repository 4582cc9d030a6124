#include "qeval/engine/llama/score_plan.h"

#include <algorithm>

namespace qeval {

namespace {

std::vector<ScoreJob> jobs_of(std::vector<ScoreWindow> windows) {
  std::vector<ScoreJob> out(windows.size());
  for (size_t i = 0; i < windows.size(); ++i) static_cast<ScoreWindow&>(out[i]) = std::move(windows[i]);
  return out;
}

}  // namespace

std::vector<ScoreJob> continuation_jobs(std::vector<TokenId> context, const std::vector<TokenId>& continuation,
                                        int max_len, bool* truncated, std::string* why) {
  return jobs_of(continuation_windows(std::move(context), continuation, max_len, truncated, why));
}

std::vector<ScoreJob> rolling_jobs(const std::vector<TokenId>& tokens, TokenId prefix, int max_len) {
  return jobs_of(rolling_windows(tokens, prefix, max_len));
}

int common_prefix(const std::vector<TokenId>& a, int n_a, const std::vector<TokenId>& b, int n_b) {
  const int n = std::min(n_a, n_b);
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + n, b.begin()).first - a.begin());
}

bool score_order(const ScoreJob* a, const ScoreJob* b) {
  if (a->priority != b->priority) return a->priority > b->priority;
  return std::lexicographical_compare(a->tokens.begin(), a->tokens.end() - 1, b->tokens.begin(), b->tokens.end() - 1);
}

Wave plan_wave(const std::vector<ScoreJob*>& order, size_t start, const std::vector<TokenId>& spine,
               const WaveLimits& limits) {
  Wave wave;
  std::vector<int> path;  // wave token at each position of the job at hand, -1: resident in the spine
  int resident = 0;
  for (size_t k = start; k < order.size(); ++k) {
    const ScoreJob& job = *order[k];
    int shared;
    bool new_leaf = true;
    if (k == start) {
      // A row that is wanted must be computed now, so the spine may be used only before the first one.
      shared = std::min(common_prefix(spine, static_cast<int>(spine.size()), job.tokens, job.n_input()), job.first_row());
      wave.resident = resident = shared;
      path.assign(static_cast<size_t>(shared), -1);
    } else {
      const ScoreJob& before = *order[k - 1];
      if (before.priority != job.priority) break;
      shared = common_prefix(before.tokens, before.n_input(), job.tokens, job.n_input());
      const int n_new = job.n_input() - shared;
      new_leaf = shared < before.n_input();
      if (static_cast<int>(wave.tokens.size()) + n_new > limits.n_tokens) break;
      if (wave.resident + static_cast<int>(wave.tokens.size()) + n_new > limits.n_cells) break;
      if (new_leaf && static_cast<int>(wave.leaf_resident.size()) >= limits.n_leaves) break;
      if (job.first_row() < std::min(resident, shared)) break;
      resident = std::min(resident, shared);
    }
    if (new_leaf) {
      wave.leaf_resident.push_back(resident);
      if (k != start)
        for (int pos = resident; pos < shared; ++pos) ++wave.tokens[static_cast<size_t>(path[static_cast<size_t>(pos)])].n_leaves;
    }
    const int leaf = static_cast<int>(wave.leaf_resident.size()) - 1;
    path.resize(static_cast<size_t>(shared));
    for (int pos = shared; pos < job.n_input(); ++pos) {
      path.push_back(static_cast<int>(wave.tokens.size()));
      wave.tokens.push_back({job.tokens[static_cast<size_t>(pos)], pos, leaf, 1, -1});
    }
    for (int target = 0; target < job.n_targets; ++target) {
      WaveToken& token = wave.tokens[static_cast<size_t>(path[static_cast<size_t>(job.first_row() + target)])];
      wave.readers.push_back({static_cast<int>(k), target, token.first_reader});
      token.first_reader = static_cast<int>(wave.readers.size()) - 1;
    }
    wave.cached.push_back(shared);
    ++wave.n_jobs;
  }
  return wave;
}

namespace {

class ForkPlanner {
 public:
  ForkPlanner(const std::vector<ScoreJob*>& order, int min_share, int max_depth)
      : order_(order), min_share_(min_share), max_depth_(max_depth) {}

  // Jobs [a, b) share their first `done` tokens, all decoded by `parent` and above.
  void build(size_t a, size_t b, int done, int parent) {
    const ScoreJob& first = *order_[a];
    const ScoreJob& last = *order_[b - 1];
    const int shared = common_prefix(first.tokens, first.n_input(), last.tokens, last.n_input());
    const bool all_end_here = shared == last.n_input();
    const int depth = parent < 0 ? 0 : nodes_[static_cast<size_t>(parent)].depth + 1;
    if (all_end_here) {
      if (shared > done) add(a, b, done, shared, parent, depth);
      return;
    }
    if (shared - done >= min_share_ && depth + 1 < max_depth_) {
      parent = add(a, b, done, shared, parent, depth);
      done = shared;
    }
    size_t at = a;
    while (at < b && order_[at]->n_input() == shared) ++at;
    if (at > a && shared > done) build(a, at, done, parent);
    while (at < b) {
      const TokenId token = order_[at]->tokens[static_cast<size_t>(shared)];
      size_t end = at + 1;
      while (end < b && order_[end]->tokens[static_cast<size_t>(shared)] == token) ++end;
      build(at, end, done, parent);
      at = end;
    }
  }

  std::vector<ForkNode> take() { return std::move(nodes_); }

 private:
  int add(size_t a, size_t b, int begin, int end, int parent, int depth) {
    ForkNode node;
    node.parent = parent;
    node.depth = depth;
    node.job = static_cast<int>(a);
    node.begin = begin;
    node.end = end;
    if (parent >= 0) ++nodes_[static_cast<size_t>(parent)].n_children;
    for (size_t k = a; k < b; ++k) {
      const ScoreJob& job = *order_[k];
      for (int pos = std::max(begin, job.first_row()); pos < std::min(end, job.n_input()); ++pos)
        node.readers.push_back({pos, static_cast<int>(k), pos - job.first_row()});
    }
    std::stable_sort(node.readers.begin(), node.readers.end(),
                     [](const ForkReader& x, const ForkReader& y) { return x.pos < y.pos; });
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }

  const std::vector<ScoreJob*>& order_;
  const int min_share_, max_depth_;
  std::vector<ForkNode> nodes_;
};

}  // namespace

std::vector<ForkNode> plan_forks(const std::vector<ScoreJob*>& order, size_t n_jobs, int min_share, int max_depth) {
  if (n_jobs == 0) return {};
  ForkPlanner planner(order, min_share, max_depth);
  planner.build(0, n_jobs, 0, -1);
  return planner.take();
}

}  // namespace qeval
