#include "qeval/engine/llama/score_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "qeval/util/random.h"

namespace qeval {
namespace {

ScoreJob job_of(std::vector<TokenId> tokens, int n_targets) {
  ScoreJob job;
  job.tokens = std::move(tokens);
  job.n_targets = n_targets;
  return job;
}

TEST(ScoreJobs, LeftTruncatesToOneMoreThanTheContext) {
  bool truncated = false;
  std::string why;
  auto jobs = continuation_jobs({1, 2, 3, 4}, {5, 6}, 4, &truncated, &why);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_TRUE(truncated);
  EXPECT_EQ(jobs[0].tokens, (std::vector<TokenId>{2, 3, 4, 5, 6}));
  EXPECT_EQ(jobs[0].first_row(), 2);
  jobs = continuation_jobs({1, 2}, {5, 6}, 4, &truncated, &why);
  EXPECT_FALSE(truncated);
  EXPECT_TRUE(continuation_jobs({1}, {1, 2, 3, 4, 5}, 4, &truncated, &why).empty());
  EXPECT_NE(why.find("5 tokens"), std::string::npos);
  EXPECT_TRUE(continuation_jobs({1}, {}, 4, &truncated, &why).empty());
}

// Windows as get_rolling_token_windows and make_disjoint_window give them, worked out by hand for max_len 4.
TEST(ScoreJobs, RollingWindowsAreDisjointAndReachBack) {
  std::vector<TokenId> tokens = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  auto jobs = rolling_jobs(tokens, 99, 4);
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].tokens, (std::vector<TokenId>{99, 10, 11, 12, 13}));
  EXPECT_EQ(jobs[0].n_targets, 4);
  EXPECT_EQ(jobs[1].tokens, (std::vector<TokenId>{13, 14, 15, 16, 17}));
  EXPECT_EQ(jobs[1].n_targets, 4);
  EXPECT_EQ(jobs[2].tokens, (std::vector<TokenId>{15, 16, 17, 18, 19}));
  EXPECT_EQ(jobs[2].n_targets, 2);
  EXPECT_EQ(jobs[2].first_target, 8);
  jobs = rolling_jobs({10, 11}, 99, 4);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].tokens, (std::vector<TokenId>{99, 10, 11}));
  EXPECT_TRUE(rolling_jobs({}, 99, 4).empty());
}

struct RandomJobs {
  std::vector<ScoreJob> jobs;
  std::vector<ScoreJob*> order;
  explicit RandomJobs(PyRandom& random, int n) {
    std::vector<std::vector<TokenId>> stems(3);
    for (auto& stem : stems)
      for (uint64_t i = 0; i < 5 + random.randbelow(30); ++i) stem.push_back(static_cast<TokenId>(random.randbelow(3)));
    for (int i = 0; i < n; ++i) {
      std::vector<TokenId> tokens = random.choice(stems);
      tokens.resize(1 + random.randbelow(tokens.size()));
      for (uint64_t k = 0; k < 1 + random.randbelow(6); ++k) tokens.push_back(static_cast<TokenId>(random.randbelow(3)));
      jobs.push_back(job_of(tokens, 1 + static_cast<int>(random.randbelow(std::min<uint64_t>(tokens.size() - 1, 5)))));
    }
    for (ScoreJob& job : jobs) order.push_back(&job);
    std::sort(order.begin(), order.end(), score_order);
  }
};

// Each wave is replayed on a model of the cache: every token must find its job's whole prefix behind it, positions of
// a sequence must be consecutive, and each target must be read once, in order, from the row of the right prefix.
class Replay {
 public:
  Replay(std::vector<ScoreJob*>& order, const WaveLimits& limits) : order_(order), limits_(limits) {}
  int64_t n_decoded = 0;
  int n_short = 0;  // waves with room left

  void run() {
    for (size_t start = 0; start < order_.size();) {
      const Wave wave = plan_wave(order_, start, spine_, limits_);
      ASSERT_TRUE(wave.n_jobs > 0 || wave.cut);
      ASSERT_LE(static_cast<int>(wave.leaf_resident.size()), limits_.n_leaves);
      ASSERT_LE(static_cast<int>(wave.tokens.size()), limits_.n_tokens);
      ASSERT_LE(wave.resident, static_cast<int>(spine_.size()));
      ASSERT_NO_FATAL_FAILURE(decode(wave));
      n_decoded += static_cast<int64_t>(wave.tokens.size());
      n_short += static_cast<int>(wave.tokens.size()) < limits_.n_tokens;
      for (size_t k = start; k < start + wave.n_jobs; ++k) ASSERT_EQ(order_[k]->n_read, order_[k]->n_targets);
      const ScoreJob& last = *order_[start + wave.n_jobs - (wave.cut ? 0 : 1)];
      start += wave.n_jobs;
      int shared = wave.path_length;
      if (!wave.cut)
        shared = start < order_.size() ? common_prefix(last.tokens, last.n_input(), order_[start]->tokens, order_[start]->n_input()) : 0;
      spine_.assign(last.tokens.begin(), last.tokens.begin() + shared);
    }
  }

 private:
  void decode(const Wave& wave) {
    std::vector<std::vector<TokenId>> leaves;
    for (int resident : wave.leaf_resident) {
      ASSERT_LE(resident, wave.resident);
      leaves.emplace_back(spine_.begin(), spine_.begin() + resident);
    }
    int n_rows = 0;
    for (const WaveToken& token : wave.tokens) {
      ASSERT_GE(token.n_leaves, 1);
      for (int leaf = token.first_leaf; leaf < token.first_leaf + token.n_leaves; ++leaf) {
        auto& path = leaves[static_cast<size_t>(leaf)];
        ASSERT_EQ(static_cast<int>(path.size()), token.pos);
        path.push_back(token.token);
      }
      n_rows += token.first_reader >= 0;
      const auto& path = leaves[static_cast<size_t>(token.first_leaf)];
      for (int r = token.first_reader; r >= 0; r = wave.readers[static_cast<size_t>(r)].next) {
        const WaveReader& reader = wave.readers[static_cast<size_t>(r)];
        ScoreJob& job = *order_[static_cast<size_t>(reader.job)];
        ASSERT_EQ(token.pos, job.first_row() + reader.target);
        ASSERT_TRUE(std::equal(path.begin(), path.end(), job.tokens.begin()));
        ASSERT_EQ(job.n_read, reader.target);
        ++job.n_read;
      }
    }
    ASSERT_LE(n_rows, limits_.n_rows);
    ASSERT_EQ(static_cast<int>(leaves.back().size()), wave.path_length);
  }

  std::vector<ScoreJob*>& order_;
  const WaveLimits limits_;
  std::vector<TokenId> spine_;
};

TEST(PlanWave, EveryTokenIsDecodedOnceAndSeesExactlyItsPrefix) {
  PyRandom random(11);
  for (int round = 0; round < 300; ++round) {
    RandomJobs set(random, 1 + static_cast<int>(random.randbelow(40)));
    WaveLimits limits;
    limits.n_tokens = 1 + static_cast<int>(random.randbelow(60));
    limits.n_leaves = round % 2 ? 255 : 1 + static_cast<int>(random.randbelow(12));
    Replay replay(set.order, limits);
    ASSERT_NO_FATAL_FAILURE(replay.run());
    EXPECT_EQ(replay.n_decoded, trie_tokens(set.order, 0, {}, INT64_MAX));
    if (limits.n_leaves == 255) {
      EXPECT_LE(replay.n_short, 1);  // only the last wave is not full
    }
  }
}

TEST(PlanWave, RowsAreLimitedToo) {
  PyRandom random(17);
  for (int round = 0; round < 300; ++round) {
    RandomJobs set(random, 1 + static_cast<int>(random.randbelow(40)));
    WaveLimits limits;
    limits.n_tokens = 8 + static_cast<int>(random.randbelow(60));
    limits.n_rows = 1 + static_cast<int>(random.randbelow(8));
    Replay replay(set.order, limits);
    ASSERT_NO_FATAL_FAILURE(replay.run());
  }
}

// Between two waves a job comes whose rows lie on the path that is already in the cache: it goes back for them.
TEST(PlanWave, ALateJobGoesBackToItsFirstRow) {
  std::vector<ScoreJob> jobs = {job_of({1, 2, 3, 4, 5, 6, 7, 8, 9}, 1), job_of({1, 2, 3, 4, 5, 6, 7, 7, 7}, 6)};
  std::vector<ScoreJob*> order = {&jobs[1], &jobs[0]};
  const Wave wave = plan_wave(order, 0, {1, 2, 3, 4, 5}, {});
  EXPECT_EQ(wave.resident, 2);  // its first row is the third position's
  EXPECT_EQ(wave.n_jobs, 2u);
  EXPECT_EQ(wave.tokens.size(), 6u + 1);
  order = {&jobs[0], &jobs[1]};
  const Wave other = plan_wave(order, 0, {1, 2, 3, 4, 5}, {});
  EXPECT_EQ(other.leaf_resident, (std::vector<int>{5, 2}));
  EXPECT_EQ(other.tokens.size(), 3u + 6);
}

TEST(PlanWave, FourChoicesShareTheirContext) {
  std::vector<ScoreJob> jobs;
  for (TokenId choice = 0; choice < 4; ++choice) jobs.push_back(job_of({1, 2, 3, 4, 5, 10 + choice, 20, 30}, 3));
  std::vector<ScoreJob*> order;
  for (ScoreJob& job : jobs) order.push_back(&job);
  std::sort(order.begin(), order.end(), score_order);
  const Wave wave = plan_wave(order, 0, {}, {});
  EXPECT_EQ(wave.n_jobs, 4u);
  EXPECT_EQ(wave.tokens.size(), 5u + 4 * 2);   // the context once; the last token of a choice is never an input
  EXPECT_EQ(wave.tokens[0].n_leaves, 4);
  EXPECT_EQ(wave.leaf_resident.size(), 4u);
  EXPECT_EQ(wave.cached, (std::vector<int>{0, 5, 5, 5}));
}

TEST(PlanForks, CoversEachJobByOnePathAndReadsEachTargetOnce) {
  PyRandom random(12);
  for (int round = 0; round < 300; ++round) {
    RandomJobs set(random, 1 + static_cast<int>(random.randbelow(40)));
    const int max_depth = 2 + static_cast<int>(random.randbelow(4));
    const auto nodes = plan_forks(set.order, set.order.size(), 1 + static_cast<int>(random.randbelow(6)), max_depth);
    std::map<std::pair<int, int>, int> reads;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const ForkNode& node = nodes[i];
      ASSERT_LT(node.depth, max_depth);
      ASSERT_LT(node.begin, node.end);
      if (node.parent >= 0) {
        ASSERT_LT(node.parent, static_cast<int>(i));
        const ForkNode& parent = nodes[static_cast<size_t>(node.parent)];
        ASSERT_EQ(parent.end, node.begin);
        ASSERT_EQ(parent.depth + 1, node.depth);
        const auto& a = set.order[static_cast<size_t>(node.job)]->tokens;
        const auto& b = set.order[static_cast<size_t>(parent.job)]->tokens;
        ASSERT_TRUE(std::equal(a.begin(), a.begin() + node.begin, b.begin()));
      } else {
        ASSERT_EQ(node.begin, 0);
      }
      int last_pos = node.begin;
      for (const ForkReader& reader : node.readers) {
        const ScoreJob& job = *set.order[static_cast<size_t>(reader.job)];
        ASSERT_GE(reader.pos, last_pos);
        last_pos = reader.pos;
        ASSERT_LT(reader.pos, node.end);
        ASSERT_EQ(reader.pos, job.first_row() + reader.target);
        const auto& tokens = set.order[static_cast<size_t>(node.job)]->tokens;
        ASSERT_TRUE(std::equal(tokens.begin(), tokens.begin() + reader.pos + 1, job.tokens.begin()));
        ++reads[{reader.job, reader.target}];
      }
    }
    size_t n_targets = 0;
    for (const ScoreJob& job : set.jobs) n_targets += static_cast<size_t>(job.n_targets);
    ASSERT_EQ(reads.size(), n_targets);
    for (const auto& [key, n] : reads) ASSERT_EQ(n, 1);
  }
}

}  // namespace
}  // namespace qeval
