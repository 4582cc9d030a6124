#include "qeval/report/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_testing.h"

namespace qeval {
namespace {

using namespace testing_runs;
using ::testing::HasSubstr;

RunView with(RunId id, int64_t right, int64_t n, int64_t shift = 0) {
  RunView v = run(id, "balanced");
  v.tasks = {task("arc_challenge", "ARC Challenge", "Science", right, n)};
  add_items(v, "arc_challenge", right, n, shift);
  return v;
}
std::optional<ScoreMove> compared(const RunView& a, const RunView& b) {
  return compare_scores({&a, &a.tasks[0]}, {&b, &b.tasks[0]});
}

TEST(Comparison, IsPairedOnCommonDocs) {
  auto move = compared(with(1, 30, 100), with(2, 40, 100));
  ASSERT_TRUE(move.has_value());
  EXPECT_TRUE(move->paired);
  EXPECT_EQ(move->n, 100);
  EXPECT_EQ(move->n_only_a, 0);
  EXPECT_EQ(move->n_only_b, 10);
  EXPECT_NEAR(move->difference, 0.10, 1e-12);
  EXPECT_NEAR(move->p_value, 2.0 / 1024, 1e-9);  // all of ten discordant pairs on one side
}

TEST(Comparison, PairingSeesWhatIntervalsHide) {
  RunView a = with(1, 30, 100), b = with(2, 40, 100);
  auto paired = compared(a, b);
  b.facts["arc_challenge"].items.clear();
  auto unpaired = compared(a, b);
  ASSERT_TRUE(paired && unpaired);
  EXPECT_FALSE(unpaired->paired);
  EXPECT_LT(paired->p_value, 0.05);
  EXPECT_GT(unpaired->p_value, 0.05);
  EXPECT_NEAR(unpaired->difference, 0.10, 1e-12);
}

TEST(Comparison, UsesOnlyDocsOfBoth) {
  auto move = compared(with(1, 30, 100), with(2, 20, 40));
  ASSERT_TRUE(move.has_value());
  EXPECT_EQ(move->n, 40);
  EXPECT_EQ(move->n_only_a, 10);
}

TEST(Comparison, FractionsUseTheSignFlipTest) {
  RunView a = with(1, 30, 12), b = with(2, 30, 12);
  for (size_t i = 0; i < 12; ++i) {
    a.facts["arc_challenge"].items[i].second = 0.25;
    b.facts["arc_challenge"].items[i].second = 0.5;
  }
  auto move = compared(a, b);
  ASSERT_TRUE(move && move->paired);
  EXPECT_NEAR(move->p_value, 2.0 / 4096, 1e-9);
}

TEST(Comparison, NeverAcrossDifferentQuestions) {
  RunView a = with(1, 30, 100);
  auto refuses = [&](auto change, const char* why) {
    RunView b = with(2, 40, 100);
    change(b);
    EXPECT_FALSE(compared(a, b).has_value()) << why;
    EXPECT_THAT(what_differs({&a, &a.tasks[0]}, {&b, &b.tasks[0]}), HasSubstr(why));
  };
  refuses([](RunView& b) { b.tasks[0].task = "arc_easy"; }, "different tasks");
  refuses([](RunView& b) { b.tasks[0].version = "2.0"; }, "different versions");
  refuses([](RunView& b) { b.tasks[0].num_fewshot = 25; }, "0 and 25 shots");
  refuses([](RunView& b) { b.tasks[0].chat_template = true; }, "chat template");
  refuses([](RunView& b) { b.tasks[0].primary_metric = "acc_norm"; }, "different metrics");
  refuses([](RunView& b) { b.facts["arc_challenge"].protocol_hash = "other"; }, "different settings");
}

TEST(Comparison, UnknownProtocolsAreComparedByWhatIsKnown) {
  RunView a = with(1, 30, 100), b = with(2, 40, 100);
  b.facts["arc_challenge"].protocol_hash.clear();
  EXPECT_TRUE(compared(a, b).has_value());
}

TEST(Comparison, NothingScoredIsNoComparison) { EXPECT_FALSE(compared(with(1, 0, 0), with(2, 40, 100)).has_value()); }

TEST(Comparison, ZeroAgainstZeroIsNoMove) {
  RunView a = with(1, 0, 100), b = with(2, 0, 100);
  EXPECT_EQ(compared(a, b)->p_value, 1);
  a.facts.clear();
  EXPECT_EQ(compared(a, b)->p_value, 1);
}

TEST(Comparison, ManyComparisonsAreHeldToHolm) {
  std::vector<ScoreMove> moves(20);
  for (ScoreMove& m : moves) m.p_value = 0.5;
  moves[3].p_value = 0.02;  // significant alone, not among twenty
  moves[7].p_value = 0.0001;
  std::vector<ScoreMove*> family;
  for (ScoreMove& m : moves) family.push_back(&m);
  settle(family);
  EXPECT_FALSE(moves[3].significant);
  EXPECT_TRUE(moves[7].significant);
  settle({&moves[3]});
  EXPECT_TRUE(moves[3].significant);
}

}  // namespace
}  // namespace qeval
