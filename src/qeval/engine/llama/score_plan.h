#pragma once

#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/engine/score_windows.h"

namespace qeval {

// A window with what the scorer notes about it. The row at input position p predicts tokens[p+1].
struct ScoreJob : ScoreWindow {
  int64_t owner = -1;              // the request's number in its session
  int priority = 0;
  std::vector<double> logprobs;    // filled by the scorer, n_targets of them
  int n_read = 0;                  // targets that are scored already, from the first on
  bool greedy = true, begun = false, finished = false;
  int n_cached = 0;                // input tokens that another job computed

  int n_input() const { return static_cast<int>(tokens.size()) - 1; }
  int first_row() const { return n_input() - n_targets; }
  int next_row() const { return first_row() + n_read; }  // position of the first row not yet read
};

// See score_windows.h.
std::vector<ScoreJob> continuation_jobs(std::vector<TokenId> context, const std::vector<TokenId>& continuation,
                                        int max_len, bool* truncated, std::string* why);
std::vector<ScoreJob> rolling_jobs(const std::vector<TokenId>& tokens, TokenId prefix, int max_len);

int common_prefix(const std::vector<TokenId>& a, int n_a, const std::vector<TokenId>& b, int n_b);
// Priority descending, then input tokens in lexicographic order: neighbours share prefixes.
bool score_order(const ScoreJob* a, const ScoreJob* b);

// What one wave decodes, at most one micro-batch: the next tokens of the trie of all waiting jobs in depth-first order.
// Every token belongs to a contiguous range of leaves (= sequences of the cache), so each is decoded once however many
// jobs run through it. The last job may be cut: its path stays resident and the next wave goes on from there.
struct WaveToken {
  TokenId token = 0;
  int pos = 0;
  int first_leaf = 0, n_leaves = 0;
  int first_reader = -1;           // index into readers, -1: no row wanted
};
// Also of jobs that come after the wave, where they share the last path: their rows need no second decoding.
struct WaveReader {
  int job = 0;                     // index in `order`
  int target = 0;                  // which of the job's targets; a job's readers come in order, from n_read on
  int next = -1;
};
struct Wave {
  size_t n_jobs = 0;               // consumed from `start`: nothing of them is left to decode
  bool cut = false;                // the job after them has begun
  int path_length = 0;             // positions of the last (or cut) job that the cache holds after the wave
  int resident = 0;                // positions of the spine that stay in use; the rest must be dropped
  std::vector<WaveToken> tokens;
  std::vector<WaveReader> readers;
  std::vector<int> leaf_resident;  // per leaf: how many positions it takes from the spine
  std::vector<int> cached;         // per job, the cut one included: input tokens that were there already
};
struct WaveLimits {
  int n_tokens = 512;
  int n_rows = 1 << 30;
  int n_leaves = 255;
  int n_cells = 1 << 30;           // spine and tokens together; more than the longest job
};
// `order` is sorted by score_order; `spine` is the token path still resident in the cache. Takes at least one token
// unless the first job has nothing left to decode.
Wave plan_wave(const std::vector<ScoreJob*>& order, size_t start, const std::vector<TokenId>& spine,
               const WaveLimits& limits);
// Tokens of the trie of order[start…] beyond `spine`, counted up to `enough`.
int64_t trie_tokens(const std::vector<ScoreJob*>& order, size_t start, const std::vector<TokenId>& spine, int64_t enough);

// For models whose sequences fork only as a whole: a tree of edges. A node is decoded once, in a sequence of its own
// that begins as a copy of its parent's.
struct ForkReader {
  int pos = 0, job = 0, target = 0;
};
struct ForkNode {
  int parent = -1, depth = 0;
  int job = 0;                     // whose tokens fill the edge
  int begin = 0, end = 0;          // positions
  std::vector<ForkReader> readers; // by position
};
// Preorder. Edges shared by several jobs become nodes where they hold at least `min_share` tokens; depth < max_depth.
std::vector<ForkNode> plan_forks(const std::vector<ScoreJob*>& order, size_t n_jobs, int min_share, int max_depth);

}  // namespace qeval
