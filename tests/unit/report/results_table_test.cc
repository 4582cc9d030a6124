#include "qeval/report/results_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qeval/report/format.h"
#include "report_testing.h"

namespace qeval {
namespace {

using namespace testing_runs;
using ::testing::HasSubstr;
using ::testing::Not;

RunView view() { return sample_input().runs[1]; }

TEST(ResultsTable, HasEveryNumberWithItsInterval) {
  std::string text = results_table(view(), {});
  for (const char* part :
       {"run 2 · Qwen/Qwen2.5-0.5B-Instruct Q8_0 · engine llama b7063 · preset balanced · suite tracker",
        "gsm8k_cot_zeroshot", "0-shot, chat template, generated", "acc *", "33.0 %", "[24.6, 42.7]", "0.0473",
        "SUSPECT", "MT-Bench", "needs a judge model"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(ResultsTable, SaysWhyUnderTheTable) {
  std::string text = results_table(view(), {}), below = text.substr(text.rfind("└"));
  EXPECT_THAT(
      below,
      HasSubstr(
          "humaneval_instruct: suspect: interval reaches chance (0.0 %)\n      likely cause: 61 of 97 answers end in"));
  EXPECT_THAT(below, HasSubstr("3 of 100 not scored (infrastructure): 0.0 % to 3.0 % if they were"));
  EXPECT_THAT(below, HasSubstr("humaneval_instruct: 61 unterminated_string, 36 test_failed, 3 sandbox_failure"));
  EXPECT_THAT(
      below,
      HasSubstr(
          "600.0 s, 30.0 generated tok/s, 142 tok/s in all, 50 % of the prompt tokens shared, peak memory 1.25 GB"));
}

TEST(ResultsTable, ComparesWithThePublishedScore) {
  EXPECT_THAT(results_table(sample_input().runs[0], {}),
              HasSubstr("hellaswag: published 50.0 % (a technical report): in line"));
}

TEST(ResultsTable, ColoursOnlyWhenAsked) {
  EXPECT_THAT(results_table(view(), {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(results_table(view(), {.colours = true}), HasSubstr("\x1b["));
  EXPECT_THAT(results_table(view(), {.unicode = false}), Not(HasSubstr("┌")));
}

TEST(ResultsTable, HostileTextCannotReachTheTerminal) {
  RunView v = view();
  std::string hostile = "\x1b]0;owned\x07\x1b[2J\x9b";
  v.weights.name = v.hf_id = v.engine_name = v.engine_version = v.run.preset = v.run.suite = hostile;
  v.weights.quantization = hostile;
  v.tasks[0].task = v.tasks[0].version = v.tasks[0].protocol = v.tasks[0].note = hostile;
  v.tasks[0].flags = {{hostile, hostile, hostile}};
  v.tasks[0].metrics[0].metric = v.tasks[0].metrics[0].filter = v.tasks[0].primary_metric = v.tasks[0].primary_filter =
      hostile;
  v.pending = {{hostile, hostile, hostile}};
  std::string text = results_table(v, {});
  for (unsigned char c : text) EXPECT_TRUE(c >= 0x20 || c == '\n') << static_cast<int>(c);
}

TEST(ResultsTable, JsonHoldsTheSameAndMore) {
  Json json = results_json(view());
  EXPECT_EQ(json["run"], 2);
  EXPECT_EQ(json["tasks"].size(), 3);
  EXPECT_EQ(json["tasks"][2]["status"], "SUSPECT");
  EXPECT_EQ(json["tasks"][2]["flags"].size(), 2);
  EXPECT_EQ(json["tasks"][0]["metrics"][0]["n"], 100);
  EXPECT_EQ(json["pending"].size(), 2);
  EXPECT_EQ(json["performance"]["n_responses"], 700);
  EXPECT_TRUE(parse_json(dump_json(json, 2)).has_value());
}

TEST(ResultsTable, ARunWithoutAnythingIsShown) {
  RunView empty;
  EXPECT_THAT(results_table(empty, {}), HasSubstr("run 0 · unnamed weights"));
  RunView v = view();
  v.tasks = {TaskSummary{}};
  EXPECT_THAT(results_table(v, {}), HasSubstr("pending"));
}

TEST(Format, StatusWords) {
  TaskSummary t = task("t", "T", "", 5, 10);
  EXPECT_EQ(status_text(t), "✅ Tested");
  t.n_infrastructure = 1;
  EXPECT_EQ(status_text(t), "⚠️ Suspect");
  t.n_infrastructure = 10;
  EXPECT_EQ(status_text(t), "❌ Failed");
  EXPECT_EQ(status_text(TaskSummary{}), "⏳ Pending");
}

TEST(Format, UnboundedNumbersAreNoShares) {
  MetricSummary m;
  m.metric = "word_perplexity";
  m.value = 0.9;
  m.low = 0.8;
  m.high = 0.95;
  EXPECT_EQ(score_text(m), "0.900");
  m.metric = "f1";
  EXPECT_EQ(score_text(m), "90.0 %");
  EXPECT_EQ(interval_text(m), "[80.0, 95.0]");
  m.low = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(interval_text(m), "");
}

}  // namespace
}  // namespace qeval
