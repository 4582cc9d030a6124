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

namespace {

class WavePlanner {
 public:
  WavePlanner(const std::vector<ScoreJob*>& order, size_t start, const WaveLimits& limits)
      : order_(order), start_(start), limits_(limits) {}

  Wave plan(const std::vector<TokenId>& spine) {
    for (size_t k = start_; k < order_.size() && !wave_.cut; ++k)
      if (!add(k, shared_with_before(k, spine))) break;
    wave_.path_length = static_cast<int>(path_.size());
    read_ahead();
    return std::move(wave_);
  }

 private:
  int n_tokens() const { return static_cast<int>(wave_.tokens.size()); }
  WaveToken& on_path(int pos) { return wave_.tokens[static_cast<size_t>(path_[static_cast<size_t>(pos)])]; }

  // Positions that job k finds in the cache or earlier in this wave. A row that was computed before the job came has
  // to be computed again, and with it everything behind.
  int shared_with_before(size_t k, const std::vector<TokenId>& spine) {
    const ScoreJob& job = *order_[k];
    if (k == start_) {
      const int shared = common_prefix(spine, static_cast<int>(spine.size()), job.tokens, job.n_input());
      wave_.resident = resident_ = std::min(shared, job.next_row());
      path_.assign(static_cast<size_t>(resident_), -1);
      return resident_;
    }
    const ScoreJob& before = *order_[k - 1];
    const int shared = common_prefix(before.tokens, before.n_input(), job.tokens, job.n_input());
    return job.next_row() < std::min(resident_, shared) ? job.next_row() : shared;
  }

  // Rows on the shared path that job k wants and no earlier job did.
  int new_rows(const ScoreJob& job, int shared) {
    int n = 0;
    for (int pos = std::max(job.next_row(), resident_); pos < shared; ++pos) n += on_path(pos).first_reader < 0;
    return n;
  }

  // How many of the job's own tokens still go in; −1: not even the rows on its shared path do.
  int room(const ScoreJob& job, int shared) {
    const int n_new = job.n_input() - shared;
    const int rows_left = limits_.n_rows - n_rows_ - new_rows(job, shared);
    if (rows_left < 0) return -1;
    const int until_row = std::max(job.next_row() - shared, 0);
    const int cells = limits_.n_cells - wave_.resident - n_tokens();
    return std::max(0, std::min({n_new, limits_.n_tokens - n_tokens(), cells, until_row + rows_left}));
  }

  // False: the wave is full.
  bool add(size_t k, int shared) {
    const ScoreJob& job = *order_[k];
    if (k != start_ && order_[k - 1]->priority != job.priority) return false;
    const int n_new = job.n_input() - shared, n_taken = room(job, shared);
    if (n_taken < 0 || (n_new > 0 && n_taken == 0)) return false;
    const bool new_leaf = k == start_ || shared < static_cast<int>(path_.size());
    if (new_leaf && static_cast<int>(wave_.leaf_resident.size()) >= limits_.n_leaves) return false;
    resident_ = std::min(resident_, shared);
    if (new_leaf) {
      wave_.leaf_resident.push_back(resident_);
      if (k != start_)
        for (int pos = resident_; pos < shared; ++pos) ++on_path(pos).n_leaves;
    }
    const int leaf = static_cast<int>(wave_.leaf_resident.size()) - 1;
    path_.resize(static_cast<size_t>(shared));
    for (int pos = shared; pos < shared + n_taken; ++pos) {
      path_.push_back(n_tokens());
      wave_.tokens.push_back({job.tokens[static_cast<size_t>(pos)], pos, leaf, 1, -1});
    }
    read(k, shared + n_taken);
    wave_.cached.push_back(shared);
    if (n_taken < n_new) wave_.cut = true;
    else ++wave_.n_jobs;
    return true;
  }

  // Gives job k every row that it still wants on the path before `end`.
  void read(size_t k, int end) {
    const ScoreJob& job = *order_[k];
    for (int pos = job.next_row(); pos < std::min(end, job.n_input()); ++pos) {
      WaveToken& token = on_path(pos);
      n_rows_ += token.first_reader < 0;
      wave_.readers.push_back({static_cast<int>(k), pos - job.first_row(), token.first_reader});
      token.first_reader = static_cast<int>(wave_.readers.size()) - 1;
    }
  }

  // The jobs behind the wave share its last path for a while: their rows there are read now.
  void read_ahead() {
    if (wave_.cached.empty()) return;
    const size_t last = start_ + wave_.n_jobs - (wave_.cut ? 0 : 1);
    int shared = wave_.path_length;
    for (size_t k = last + 1; k < order_.size() && order_[k]->priority == order_[last]->priority; ++k) {
      const ScoreJob &before = *order_[k - 1], &job = *order_[k];
      shared = std::min(shared, common_prefix(before.tokens, before.n_input(), job.tokens, job.n_input()));
      if (shared <= resident_) return;
      if (job.next_row() >= resident_ && n_rows_ + new_rows(job, shared) <= limits_.n_rows) read(k, shared);
    }
  }

  const std::vector<ScoreJob*>& order_;
  const size_t start_;
  const WaveLimits limits_;
  Wave wave_;
  std::vector<int> path_;  // wave token at each position of the job at hand, -1: resident in the spine
  int resident_ = 0;       // positions of that path that lie in the spine
  int n_rows_ = 0;
};

}  // namespace

Wave plan_wave(const std::vector<ScoreJob*>& order, size_t start, const std::vector<TokenId>& spine,
               const WaveLimits& limits) {
  return WavePlanner(order, start, limits).plan(spine);
}

int64_t trie_tokens(const std::vector<ScoreJob*>& order, size_t start, const std::vector<TokenId>& spine, int64_t enough) {
  int64_t n = 0;
  for (size_t k = start; k < order.size() && n < enough; ++k) {
    const ScoreJob& job = *order[k];
    const int shared = k == start ? common_prefix(spine, static_cast<int>(spine.size()), job.tokens, job.n_input())
                                  : common_prefix(order[k - 1]->tokens, order[k - 1]->n_input(), job.tokens, job.n_input());
    n += job.n_input() - shared;
  }
  return n;
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
