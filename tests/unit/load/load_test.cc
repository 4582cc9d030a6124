#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "qeval/engine/fake.h"
#include "qeval/load/hygiene.h"
#include "qeval/load/length_spec.h"
#include "qeval/load/level.h"
#include "qeval/load/search.h"
#include "qeval/load/server_counters.h"
#include "qeval/load/targets.h"
#include "qeval/load/workload.h"
#include "qeval/stats/latency_histogram.h"

namespace qeval {
namespace {

TEST(LengthSpec, ReadsAndDrawsWhatItSays) {
  std::mt19937_64 random(3);
  EXPECT_EQ(parse_length("-", "256")->draw(random), 256);
  auto uniform = *parse_length("-", "10-12");
  std::map<int, int> seen;
  for (int i = 0; i < 3000; ++i) ++seen[uniform.draw(random)];
  ASSERT_EQ(seen.size(), 3u);
  for (int n : {10, 11, 12}) EXPECT_NEAR(seen[n], 1000, 150);
  double sum = 0;
  auto lognormal = *parse_length("-", "lognormal:100,0.5");
  for (int i = 0; i < 20000; ++i) sum += lognormal.draw(random);
  EXPECT_NEAR(sum / 20000, lognormal.mean(), 4);
  for (const char* bad : {"", "x", "0", "12-3", "normal:5", "-5", "1-2-3", "lognormal:,1"}) EXPECT_FALSE(parse_length("-", bad)) << bad;
}

TEST(Arrivals, HaveTheirRateAndTheirBursts) {
  auto moments = [](double burstiness) {
    std::mt19937_64 random(5);
    double sum = 0, squares = 0;
    constexpr int n = 50000;
    for (int i = 0; i < n; ++i) {
      const double gap = draw_gap_s(random, 4, burstiness);
      sum += gap;
      squares += gap * gap;
    }
    const double mean = sum / n;
    return std::pair(mean, std::sqrt(squares / n - mean * mean) / mean);
  };
  EXPECT_NEAR(moments(1).first, 0.25, 0.005);
  EXPECT_NEAR(moments(1).second, 1, 0.03);     // Poisson
  EXPECT_NEAR(moments(0.25).second, 2, 0.1);   // bursts
  EXPECT_NEAR(moments(100).second, 0.1, 0.01); // even
}

TEST(Targets, AreReadAndJudged) {
  auto targets = parse_targets("ttft_p95<500ms,itl_p99<0.05s,e2e_p50<2s");
  ASSERT_TRUE(targets);
  ASSERT_EQ(targets->size(), 3u);
  EXPECT_DOUBLE_EQ((*targets)[1].limit_s, 0.05);
  EXPECT_EQ((*targets)[0].text(), "ttft_p95<500ms");
  Latencies latencies;
  for (int i = 1; i <= 100; ++i) latencies.ttft.add(0.005 * i);
  auto results = check_targets(*targets, latencies);
  EXPECT_TRUE(results[0].met);
  EXPECT_FALSE(results[1].met) << "nothing measured is not met";
  EXPECT_FALSE(all_met(results));
  for (const char* bad : {"ttft<1s", "ttft_p95<500", "foo_p95<1s", "ttft_p0<1s", "ttft_p95<0ms", "ttft_p95>1s"}) EXPECT_FALSE(parse_targets(bad)) << bad;
}

TEST(LatencyHistogram, KeepsPercentiles) {
  LatencyHistogram h, other;
  EXPECT_FALSE(h.percentile(0.5));
  for (int i = 1; i <= 1000; ++i) (i % 2 ? h : other).add(i / 1000.0);
  h.add(-1);
  h.add(NAN);
  h.merge(other);
  EXPECT_EQ(h.n(), 1000);
  EXPECT_NEAR(*h.percentile(0.50), 0.500, 0.005);
  EXPECT_NEAR(*h.percentile(0.99), 0.990, 0.0099);
  EXPECT_DOUBLE_EQ(h.max_s(), 1.0);
  EXPECT_NEAR(h.sum_s(), 500.5, 1e-6);
}

TEST(Search, FindsTheHighestRate) {
  for (double truth : {0.3, 3.0, 47.0}) {
    std::vector<double> asked;
    auto found = find_highest_rate({4, 1.05, 30}, [&](double rate) -> Result<bool> {
      asked.push_back(rate);
      return rate <= truth;
    });
    ASSERT_TRUE(found);
    EXPECT_LE(found->best, truth);
    EXPECT_GE(found->best * 1.05, truth);
    EXPECT_LE(asked.size(), 16u);
  }
  auto none = find_highest_rate({1, 1.05, 5}, [](double) -> Result<bool> { return false; });
  EXPECT_EQ(none->best, 0);
  EXPECT_EQ(none->n_trials, 5);
  EXPECT_FALSE(find_highest_rate({}, [](double) -> Result<bool> { return fail(ErrorKind::environment, "gone"); }));
}

TEST(Workload, NeverRepeatsAPromptBetweenLevels) {
  MadeUpOptions options;
  options.prompt = *parse_length("-", "40");
  options.output = *parse_length("-", "8");
  options.shared_prefix = 0.5;
  auto made_up = made_up_workload(options);
  auto text = [&](int level, int64_t i) { return std::get<std::string>(made_up->item(level, i).request.prompt); };
  const std::string a = text(0, 0), b = text(0, 1), c = text(1, 0);
  EXPECT_EQ(a, text(0, 0));
  EXPECT_NE(a, b);
  size_t common = 0;
  while (common < a.size() && a[common] == b[common]) ++common;
  EXPECT_EQ(std::count(a.begin(), a.begin() + static_cast<long>(common), ' '), 20) << "half of the words, and the blank after them";
  EXPECT_NE(a.substr(0, common), c.substr(0, common));
  EXPECT_EQ(std::count(a.begin(), a.end(), ' '), 39);

  LoadItem item;
  item.request.prompt = std::string("Q");
  auto given = given_workload({item}, "one", std::nullopt, 1);
  auto given_text = [&](int level, int64_t i) { return std::get<std::string>(given->item(level, i).request.prompt); };
  EXPECT_EQ(given_text(0, 0), "Q");
  EXPECT_NE(given_text(0, 1), "Q");
  EXPECT_NE(given_text(1, 0), given_text(2, 0));
}

class Levels : public ::testing::Test {
 protected:
  Levels() {
    FakeOptions options;
    options.latency = std::chrono::microseconds(1000);
    options.answer = [](const Request& request) {
      Response r;
      r.n_prompt_tokens = 10;
      r.n_new_tokens = request.max_new_tokens;
      return r;
    };
    engine_ = make_fake_engine(options);
    MadeUpOptions made_up;
    made_up.prompt = *parse_length("-", "5");
    made_up.output = *parse_length("-", "7");
    workload_ = made_up_workload(made_up);
  }
  Result<LevelResult> run(const LevelPlan& plan) {
    return run_level(*engine_, *workload_, plan, [this](int64_t index, const LoadItem&, const Response&) -> Status {
      EXPECT_TRUE(indices_.insert(index).second);
      return {};
    }, nullptr, nullptr);
  }
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Workload> workload_;
  std::set<int64_t> indices_;
};

TEST_F(Levels, ClosedLoopAnswersEverything) {
  LevelPlan plan;
  plan.concurrency = 4;
  plan.n_requests = 50;
  auto result = run(plan);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->n_good, 50);
  EXPECT_EQ(indices_.size(), 50u);
  EXPECT_EQ(result->n_new_tokens, 350);
  EXPECT_EQ(result->n_prompt_tokens, 500);
  EXPECT_EQ(result->n_warm_up, 4);
  EXPECT_EQ(result->n_warm_up_tokens, 28);
  EXPECT_EQ(result->latencies.e2e.n(), 50);
  EXPECT_EQ(result->ended_early, "");
}

TEST_F(Levels, OpenLoopStopsWhereItIsOverSaturated) {
  LevelPlan plan;  // the fake answers a question at a time, a thousand a second at best
  plan.rate = 100000;
  plan.saturated_s = 0.001;
  plan.n_requests = 100000;
  auto result = run(plan);
  ASSERT_TRUE(result);
  EXPECT_NE(result->ended_early.find("over-saturated"), std::string::npos);
  EXPECT_GT(result->n_cancelled, 0);
  EXPECT_EQ(result->n_good + result->n_cancelled + result->n_failed, result->n_sent);
}

TEST_F(Levels, ALevelThatCannotMeetItsTargetEnds) {
  LevelPlan plan;
  plan.concurrency = 2;
  plan.n_requests = 10000;
  plan.targets = *parse_targets("e2e_p50<0.01ms");
  plan.targets[0].percentile = 99.9;
  auto result = run(plan);
  ASSERT_TRUE(result);
  EXPECT_NE(result->ended_early, "");
  EXPECT_LT(result->n_sent, 1000);
  EXPECT_FALSE(result->meets_targets());
}

TEST(Counters, AreSummedOverLabels) {
  auto c = parse_server_counters("# HELP x\nvllm:prompt_tokens_total{a=\"1\"} 10.0\nvllm:prompt_tokens_total{a=\"2\"} 5\nvllm:generation_tokens_total{} 7\n"
                                 "vllm:num_preemptions_total{} 2\nvllm:num_preemptions_total_created{} 99\n");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->prompt_tokens, 15);
  EXPECT_EQ(c->new_tokens, 7);
  EXPECT_EQ(c->preemptions, 2);
  EXPECT_EQ(c->prefix_hits, -1);
  EXPECT_FALSE(parse_server_counters("nothing 1\n"));
}

TEST(Hygiene, MarksWhatIsDirty) {
  LevelResult clean;
  clean.n_warm_up = 4;
  clean.n_prompt_tokens = 1000;
  clean.n_new_tokens = 100;
  HygieneInput input;
  input.before = {0.01, 2000};
  input.after = {-1, 2010};
  input.counters_before = ServerCounters{0, 0, 0, 0, 0};
  input.counters_after = ServerCounters{1000, 100, 0, 1000, 10};
  judge_hygiene(clean, input);
  EXPECT_TRUE(clean.dirt.empty()) << clean.dirt.front();
  LevelResult dirty = clean;
  dirty.n_warm_up = 0;
  dirty.client_cpu = 0.95;
  input.before = {0.5, 2000};
  input.after = {-1, 1500};
  input.counters_after = ServerCounters{1000, 200, 3, 1000, 900};
  judge_hygiene(dirty, input);
  EXPECT_EQ(dirty.dirt.size(), 7u);
}

}  // namespace
}  // namespace qeval
