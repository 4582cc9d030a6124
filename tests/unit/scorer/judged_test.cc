// Ratings and comparisons read out of a judge's text, as FastChat's patterns do.
#include "qeval/scorer/judged.h"

#include "scorer_testing.h"

namespace qeval {
namespace {

TEST(Judged, RatingsAreReadAsFastChatDoes) {
  const std::vector<std::pair<std::string, double>> cases = {
      {"Rating: [[8]]", 8}, {"[[7.5]] and later [[3]]", 7.5}, {"[5] first, but [[6]]", 6}, {"Rating: [9]", 9}, {"[[10.]]", 10.0},
      {"[[a]] [[]] [[4]]", 4}, {"[[[3]]]", 3}, {"[[8/10]] so [8]", 8}, {"[[ 8 ]] [2]", 2}, {"x[[0.5]]", 0.5}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(parse_rating(text), wanted) << text;
  for (const char* text : {"", "Rating: 8", "[[eight]]", "[[8", "[8 ]", "((8))", "[[.5]]", "[-3]"}) EXPECT_FALSE(parse_rating(text)) << text;
  EXPECT_FALSE(parse_rating(std::string(10'000'000, '[')));
  EXPECT_FALSE(parse_rating("[[" + std::string(10'000'000, '9')));
}

TEST(Judged, VerdictsAreReadAsFastChatDoes) {
  EXPECT_EQ(parse_preference("so [[A]]"), Preference::first);
  EXPECT_EQ(parse_preference("so [[B]]"), Preference::second);
  EXPECT_EQ(parse_preference("so [[C]]"), Preference::tie);
  EXPECT_EQ(parse_preference("[[B]] or [[A]]"), Preference::first);
  EXPECT_EQ(parse_preference("[A]"), Preference::none);
}

ScoringSpec reads(const char* what) {
  ScoringSpec scoring;
  scoring.scorer = "judgement";
  scoring.scorer_options = {{"reads", what}};
  return scoring;
}

TEST(Judged, AJudgesTextBecomesARatingOrIsClassed) {
  Sample sample = text_sample("");
  Score good = judgement_score(sample, answer("<think>maybe [[2]]</think>Good. [[9]]"), reads("rating"));
  EXPECT_EQ(metric_of(good, "given"), 9);
  EXPECT_EQ(good.failure_class, FailureClass::correct);
  EXPECT_EQ(judgement_score(sample, answer("I like it."), reads("rating")).failure_class, FailureClass::no_rating);
  EXPECT_EQ(judgement_score(sample, answer("[[100]]"), reads("rating")).failure_class, FailureClass::no_rating);
  EXPECT_EQ(judgement_score(sample, answer("I like", FinishReason::length), reads("rating")).failure_class, FailureClass::truncated);
  EXPECT_EQ(judgement_score(sample, answer("[[C]]"), reads("preference")).extracted, "C");
}

TEST(Judged, UnjudgedAnswersHoldNoMetric) {
  Sample sample = text_sample("");
  sample.requests.resize(2);
  Score waiting = unjudged_score(sample, {answer("one"), answer("two")}, {});
  EXPECT_EQ(waiting.failure_class, FailureClass::not_judged);
  EXPECT_TRUE(waiting.metrics.empty());
  EXPECT_EQ(unjudged_score(sample, {answer("one"), answer(" ")}, {}).failure_class, FailureClass::empty_or_refusal);
  EXPECT_EQ(unjudged_score(sample, {answer("one", FinishReason::length), answer("two")}, {}).failure_class, FailureClass::truncated);
}

}  // namespace
}  // namespace qeval
