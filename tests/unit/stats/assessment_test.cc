#include "qeval/stats/assessment.h"

#include <gtest/gtest.h>

#include "qeval/stats/intervals.h"

namespace qeval {
namespace {

// `right` of `n` are right, the rest as given.
TaskSummary summary_of(int64_t right, int64_t n, std::vector<ClassCount> others) {
  TaskSummary s;
  s.task = "gsm8k";
  s.num_fewshot = 5;
  s.primary_metric = "exact_match";
  s.primary_filter = "strict-match";
  MetricSummary m;
  m.metric = s.primary_metric;
  m.filter = s.primary_filter;
  m.n = n;
  m.is_proportion = true;
  m.value = static_cast<double>(right) / static_cast<double>(n);
  m.stderr_value = std::sqrt(m.value * (1 - m.value) / static_cast<double>(n - 1));
  Interval interval = wilson_interval(right, n);
  m.low = m.bound_low = interval.low;
  m.high = m.bound_high = interval.high;
  s.metrics = {m};
  if (right > 0) others.push_back({FailureClass::correct, right, {}});
  s.classes[s.primary_filter] = std::move(others);
  return s;
}

PublishedScore row(double value, int shots, const std::string& task = "gsm8k") {
  PublishedScore p;
  p.hf_id = "Qwen/Qwen2.5-7B-Instruct";
  p.task_family = "gsm8k";
  p.task = task;
  p.metric = "exact_match";
  p.filter = "strict-match";
  p.num_fewshot = shots;
  p.chat_template = false;
  p.value = value;
  p.source = "a card";
  return p;
}

AssessmentInput input(std::vector<PublishedScore> rows) {
  return {"Qwen/Qwen2.5-7B-Instruct", {}, std::move(rows), "gsm8k"};
}

TEST(Assess, ScoreInLineWithItsPublishedRowHasNoFlag) {
  TaskSummary s = summary_of(78, 100, {{FailureClass::wrong_answer, 22, {}}});
  assess(s, input({row(0.8036, 5)}));
  ASSERT_TRUE(s.published);
  EXPECT_TRUE(s.published->in_line);
  EXPECT_TRUE(s.flags.empty());
}

TEST(Assess, ScoreOutOfLineNamesTheFormatFailureAsCause) {
  TaskSummary s = summary_of(10, 100, {{FailureClass::truncated, 62, {}}, {FailureClass::wrong_answer, 28, {}}});
  assess(s, input({row(0.8036, 5)}));
  ASSERT_EQ(s.flags.size(), 1u);
  EXPECT_EQ(s.flags[0].kind, "out_of_line");
  EXPECT_NE(s.flags[0].cause.find("62 of 100 answers were cut by the token limit"), std::string::npos);
  EXPECT_FALSE(s.published->in_line);
}

TEST(Assess, OtherSettingsAreNotCompared) {
  for (auto change : std::vector<void (*)(TaskSummary&)>{
           [](TaskSummary& s) { s.num_fewshot = 0; }, [](TaskSummary& s) { s.chat_template = true; },
           [](TaskSummary& s) { s.task = "gsm8k_cot"; }, [](TaskSummary& s) { s.metrics[0].metric = "other"; }}) {
    TaskSummary s = summary_of(70, 100, {{FailureClass::wrong_answer, 30, {}}});
    change(s);
    assess(s, input({row(0.9, 5)}));
    EXPECT_FALSE(s.published);
    for (const Flag& f : s.flags) EXPECT_NE(f.kind, "out_of_line");
  }
  TaskSummary s = summary_of(70, 100, {{FailureClass::wrong_answer, 30, {}}});
  AssessmentInput other = input({row(0.9, 5)});
  other.hf_id = "Qwen/Qwen2.5-14B-Instruct";
  assess(s, other);
  EXPECT_FALSE(s.published);
}

TEST(Assess, AllZerosIsSuspectWithItsReason) {
  struct Case {
    FailureClass c;
    const char* cause;
  };
  for (Case c : {Case{FailureClass::unterminated_string, "100 of 100 answers end in an unterminated string literal"},
                 Case{FailureClass::code_fence, "Markdown fences or chat text"},
                 Case{FailureClass::wrong_format, "in a form that the protocol's filter rejects"},
                 Case{FailureClass::truncated, "cut by the token limit"},
                 Case{FailureClass::no_answer, "nothing that the filter could extract"}}) {
    TaskSummary s = summary_of(0, 100, {{c.c, 100, {}}});
    assess(s, {});
    ASSERT_EQ(s.flags.size(), 2u);  // reaches zero; form
    for (const Flag& f : s.flags) {
      EXPECT_EQ(f.kind, "suspect");
      EXPECT_NE(f.cause.find(c.cause), std::string::npos) << f.cause;
    }
  }
}

TEST(Assess, IntervalThatReachesChanceIsSuspect) {
  TaskSummary s = summary_of(30, 100, {{FailureClass::wrong_answer, 70, {}}});
  AssessmentInput in;
  in.chance = 0.25;
  assess(s, in);
  ASSERT_EQ(s.flags.size(), 1u);
  EXPECT_NE(s.flags[0].reason.find("chance (25.0 %)"), std::string::npos);
  s = summary_of(45, 100, {{FailureClass::wrong_answer, 55, {}}});
  assess(s, in);
  EXPECT_TRUE(s.flags.empty());
}

TEST(Assess, FarBelowEveryPublishedFigureIsSuspect) {
  TaskSummary s = summary_of(20, 100, {{FailureClass::wrong_answer, 80, {}}});
  assess(s, input({row(0.916, -1, ""), row(0.80, 4, "")}));
  ASSERT_EQ(s.flags.size(), 1u);
  EXPECT_NE(s.flags[0].reason.find("under half of the lowest published figure"), std::string::npos);
  EXPECT_NE(s.flags[0].reason.find("80.0 %"), std::string::npos);
  s = summary_of(50, 100, {{FailureClass::wrong_answer, 50, {}}});
  assess(s, input({row(0.916, -1, ""), row(0.80, 4, "")}));
  EXPECT_TRUE(s.flags.empty());
}

TEST(Assess, FormatFailuresOverAFifthAreSuspectThoughTheScoreIsHigh) {
  TaskSummary s = summary_of(79, 100, {{FailureClass::wrong_format, 21, {}}});
  assess(s, {});
  ASSERT_EQ(s.flags.size(), 1u);
  s = summary_of(80, 100, {{FailureClass::wrong_format, 20, {}}});
  assess(s, {});
  EXPECT_TRUE(s.flags.empty());
}

TEST(Assess, DegenerateIsSaidAndNothingElseIsConcluded) {
  TaskSummary s = summary_of(25, 100, {{FailureClass::degenerate, 75, {}}});
  assess(s, {});
  ASSERT_EQ(s.flags.size(), 1u);
  EXPECT_EQ(s.flags[0].kind, "degenerate");
}

TEST(Assess, InfrastructureIsSaidBesideTheScore) {
  TaskSummary s = summary_of(60, 90, {{FailureClass::wrong_answer, 30, {}}, {FailureClass::engine_failure, 10, {}}});
  assess(s, {});
  ASSERT_EQ(s.flags.size(), 1u);
  EXPECT_EQ(s.flags[0].kind, "infrastructure");
  EXPECT_NE(s.flags[0].reason.find("10 of 100 samples are not scored"), std::string::npos);
  EXPECT_NE(s.flags[0].cause.find("the engine failed"), std::string::npos);
}

TEST(Assess, ARepeatedCallReplacesFlags) {
  TaskSummary s = summary_of(0, 100, {{FailureClass::wrong_answer, 100, {}}});
  assess(s, {});
  size_t n = s.flags.size();
  assess(s, {});
  EXPECT_EQ(s.flags.size(), n);
  EXPECT_NE(s.flags[0].cause.find("were read and are wrong"), std::string::npos);
}

}  // namespace
}  // namespace qeval
