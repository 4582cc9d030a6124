#include <gtest/gtest.h>

#include <map>

#include "code_testing.h"
#include "qeval/stats/assessment.h"

namespace qeval {
namespace {

// The five ways in which a broken harness once read 0 %: each answer is scored right or classed right, and a run in
// which every answer fails that way is suspect for that reason.

TaskSpec task_named(const std::string& name) {
  if (name == "gsm8k") return gsm8k();
  if (name != "letters") return code_task(name);
  return text_task(
      {pipeline_from("remove_whitespace", {{{"function", "remove_whitespace"}}, {{"function", "take_first"}}})},
      {{"ignore_case", true}, {"ignore_punctuation", true}});
}

Score score_of(const Json& c, Sandbox& sandbox) {
  auto scorer = make_scorer(task_named(c["task"]), &sandbox);
  EXPECT_TRUE(scorer) << scorer.error().message;
  Sample sample = text_sample(c["target"]);
  sample.doc = c["doc"];
  FinishReason finish = c["finish"] == "length" ? FinishReason::length : FinishReason::end_of_turn;
  return (*scorer)->score(sample, {answer(c["response"], finish)}).at(0);
}

TEST(FirstTracker, TheSandboxGivesTheSameClasses) {
  auto sandbox = open_sandbox({});
  if (!sandbox) GTEST_SKIP() << sandbox.error().message;
  for (const Json& c : load_cases("first_tracker.json"))
    EXPECT_EQ(to_string(score_of(c, **sandbox).failure_class), c["class"].get<std::string>()) << c["name"];
}

TEST(FirstTracker, EveryAnswerIsScoredRightOrClassedRight) {
  LocalPython python;
  Json cases = load_cases("first_tracker.json");
  ASSERT_GT(cases.size(), 30u);
  for (const Json& c : cases) {
    Score score = score_of(c, python);
    SCOPED_TRACE(c["name"].get<std::string>() + ": " + score.explanation);
    EXPECT_EQ(to_string(score.failure_class), c["class"].get<std::string>());
    ASSERT_FALSE(score.metrics.empty());
    EXPECT_EQ(score.metrics[0].second, c["right"].get<bool>() ? 1 : 0);
  }
}

TEST(FirstTracker, ARunOfZerosIsSuspectForItsReason) {
  LocalPython python;
  std::map<std::string, int> reasons;
  for (const Json& c : load_cases("first_tracker.json")) {
    if (!c["whole_run"].get<bool>()) continue;
    TaskSpec spec = task_named(c["task"]);
    std::vector<std::vector<Score>> scores(20, {score_of(c, python)});
    TaskSummary summary;
    summary.task = spec.name;
    summary.metrics = summarise(spec, scores);
    std::tie(summary.primary_metric, summary.primary_filter) = primary_metric(spec);
    summary.classes = class_counts(scores);
    assess(summary, {});
    ASSERT_FALSE(summary.flags.empty()) << c["name"];
    for (const Flag& flag : summary.flags) {
      EXPECT_EQ(flag.kind, "suspect");
      EXPECT_NE(flag.cause.find("20 of 20 answers"), std::string::npos) << flag.cause;
      EXPECT_NE(flag.cause.find(c["reason"].get<std::string>()), std::string::npos) << c["name"] << ": " << flag.cause;
    }
    ++reasons[c["reason"].get<std::string>()];
  }
  for (const char* reason : {"unterminated string literal", "Markdown fences or chat text", "cut by the token limit",
                             "in a form that the protocol's filter rejects", "nothing that the filter could extract"})
    EXPECT_GT(reasons[reason], 0) << reason;
}

}  // namespace
}  // namespace qeval
