#include "qeval/report/tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "qeval/util/file.h"
#include "report_testing.h"

namespace qeval {
namespace {

using namespace testing_runs;
using ::testing::HasSubstr;
using ::testing::Not;

std::string rendered(const TrackerInput& input) { return render_tracker(input, {}); }

std::string line_with(const std::string& text, const std::string& part) {
  size_t at = text.find(part);
  if (at == std::string::npos) return "";
  size_t begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

std::vector<std::string> headings(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, 3, "## ") == 0) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

TEST(Tracker, IsTheGoldenDocument) {
  std::string file = QEVAL_SOURCE_DIR "/tests/golden/tracker.md";
  std::string document = rendered(sample_input());
  if (std::getenv("QEVAL_WRITE_GOLDEN")) {
    ASSERT_TRUE(write_file_atomic(file, document).has_value());
  }
  EXPECT_EQ(document, read_file(file).value_or(""));
}

TEST(Tracker, HasTheFirstTrackersSectionsInTheirOrder) {
  std::string first = read_file(QEVAL_SOURCE_DIR "/tests/cases/report/tracker-v1.md").value();
  EXPECT_EQ(headings(rendered(sample_input())), headings(first));
}

TEST(Tracker, HasTheFirstTrackersPartsOfARun) {
  std::string text = rendered(sample_input());
  size_t at = text.find("#### **Balanced Preset Evaluation (2026-11-27)**");
  ASSERT_NE(at, std::string::npos);
  for (const char* part : {"System Performance", "Dataset Evaluation Results", "Function Calling Test",
                           "Technical Issues Identified", "Memory Analysis", "Configuration Used"}) {
    size_t next = text.find("##### **" + std::string(part) + "**", at);
    ASSERT_NE(next, std::string::npos) << part;
    at = next;
  }
}

TEST(Tracker, WithoutRunsSaysSo) {
  TrackerInput input;
  input.models = models();
  input.presets = presets();
  std::string text = rendered(input);
  EXPECT_THAT(text, HasSubstr("**Last Updated:** no run yet"));
  EXPECT_THAT(text, HasSubstr("⏳ Pending"));
  EXPECT_THAT(text, Not(HasSubstr("✅ Tested")));
  EXPECT_THAT(rendered(TrackerInput{}), HasSubstr("No run yet."));
}

TEST(Tracker, LastUpdatedIsTheNewestRunsEnd) {
  EXPECT_THAT(rendered(sample_input()), HasSubstr("**Last Updated:** 2026-11-29T00:10:00Z"));
}

TEST(Tracker, SaysPlainlyWhatAnIdLoads) {
  std::string text = rendered(sample_input());
  EXPECT_THAT(text, HasSubstr("- `qwen3_14b`: loads Qwen/Qwen2.5-14B-Instruct; the id of the first tracker"));
  EXPECT_THAT(text, HasSubstr("### Qwen/Qwen2.5-7B-Instruct Q8_0"));
}

TEST(Tracker, ShowsScoreIntervalProtocolAndSamples) {
  std::string row = line_with(rendered(sample_input()), "gsm8k_cot_zeroshot v1.0");
  for (const char* part : {"GSM8K", "Math Reasoning", "100 of 1319", "33.0 %", "24.6, 42.7", "✅ Tested",
                           "0-shot, chat template, generated"})
    EXPECT_THAT(row, HasSubstr(part));
}

TEST(Tracker, FlagsAZeroWithItsCauseAndItsBounds) {
  std::string text = rendered(sample_input()), row = line_with(text, "humaneval_instruct v1.0");
  for (const char* part : {"0.0 %", "⚠️ Suspect", "unterminated string literal",
                           "3 of 100 not scored (infrastructure): 0.0 % to 3.0 % if they were", "sandbox: bubblewrap"})
    EXPECT_THAT(row, HasSubstr(part));
  EXPECT_THAT(text, HasSubstr("unterminated string literal in 61 of 100 answers (doc ids 0, 1, 2): `qeval show 2 "
                              "--task humaneval_instruct --class unterminated_string`"));
  EXPECT_THAT(text,
              HasSubstr("- [ ] HumanEval of Qwen/Qwen2.5-0.5B-Instruct Q8_0 · llama · balanced: 61 of 97 answers"));
}

TEST(Tracker, WritesUnmeasuredForMissingNumbers) {
  TrackerInput input = sample_input();
  for (RunView& v : input.runs) v.performance = RunPerformance{};
  std::string text = rendered(input);
  EXPECT_THAT(text, HasSubstr("*unmeasured*: every answer came from the store."));
  EXPECT_THAT(text, HasSubstr("- **GPU Memory:** *unmeasured*"));
  EXPECT_THAT(line_with(rendered(sample_input()), "| MT-Bench"), HasSubstr("*unmeasured*"));
}

TEST(Tracker, KeepsTheResultWithMoreSamples) {
  TrackerInput input = sample_input();
  RunView quick = run(9, "balanced");
  TaskSummary few = input.runs[1].tasks[0];
  few.metrics = {share("acc", "none", 1, 5)};
  few.n_docs = 5;
  quick.tasks = {few};
  input.runs.push_back(quick);
  std::string text = rendered(input);
  std::string row = line_with(text.substr(text.find("#### **Balanced Preset")), "gsm8k_cot_zeroshot v1.0");
  EXPECT_THAT(row, HasSubstr("33.0 %"));
  EXPECT_THAT(row, HasSubstr("from run 2"));
}

TEST(Tracker, ChangelogSaysWhatMoved) {
  std::string text = rendered(sample_input());
  size_t at = text.find("## Changelog");
  ASSERT_NE(at, std::string::npos);
  std::string log = text.substr(at);
  EXPECT_LT(log.find("### Run 4"), log.find("### Run 1"));
  EXPECT_THAT(log, HasSubstr("GSM8K: 33.0 % \\[24.6, 42.7\\] (n = 100): +3.0 points (100 common docs, 3 won, 0 lost; p "
                             "= 0.250): within noise since run 1"));
  EXPECT_THAT(log, HasSubstr("GSM8K: 30.0 % \\[21.9, 39.6\\] (n = 100): first result under this configuration"));
}

TEST(Tracker, ADoubtfulScoreSaysSoWhereverItIsShown) {
  TrackerInput input = sample_input();
  for (RunView* v : {&input.runs[2], &input.runs[3]}) {
    v->tasks.push_back(input.runs[1].tasks[2]);
    add_items(*v, "humaneval_instruct", 0, 97);
  }
  std::string text = rendered(input);
  size_t shown = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find("HumanEval") == std::string::npos || line.find("0.0 %") == std::string::npos) continue;
    ++shown;
    EXPECT_THAT(line, HasSubstr("unterminated string literal"));
  }
  EXPECT_GE(shown, 10U);  // rows, comparisons, baseline, research questions, changelog
}

TEST(Tracker, ComparesOnlyTheSameQuestion) {
  TrackerInput input = sample_input();
  std::string text = rendered(input);
  EXPECT_THAT(line_with(text, "+52.0 points"), HasSubstr("more than noise"));
  EXPECT_THAT(text, Not(HasSubstr("Not compared")));
  input.runs[3].tasks[0].version = "2.0";
  input.runs[3].facts["arc_challenge"].protocol_hash = "another";
  text = rendered(input);
  EXPECT_THAT(text, Not(HasSubstr("+52.0 points")));
  EXPECT_THAT(text, HasSubstr("Not compared"));
  EXPECT_THAT(text, HasSubstr("different versions, 1.0 and 2.0"));
  EXPECT_THAT(text, HasSubstr("different settings, data or few-shot examples"));
}

TEST(Tracker, EscapesHostileText) {
  TrackerInput input = sample_input();
  std::string hostile =
      "x|y<script>alert(1)</script>\n<!-- qeval:keep evil -->\n```\n# owned \x1b[31m[link](http://x) `code`";
  RunView& v = input.runs[1];
  v.weights.name = hostile;
  v.run.model_id = hostile;
  v.hf_id.clear();
  v.weights.hf_id.clear();
  v.run.weights_key = "other";
  v.engine_name = v.device = v.run.suite = hostile;
  v.tasks[0].title = v.tasks[0].row = v.tasks[0].note = v.tasks[0].category = v.tasks[0].task = hostile;
  v.tasks[0].flags = {{hostile, hostile, hostile}};
  v.pending = {{hostile, hostile, hostile}};
  v.run.spec["arguments"]["system_instruction"] = hostile;
  v.run.environment["engine"]["notes"] = {hostile};
  v.run.environment["os"] = hostile;
  input.runs.push_back(v);
  std::string text = rendered(input);
  EXPECT_THAT(text, Not(HasSubstr("\n<!-- qeval:keep evil")));
  EXPECT_THAT(text, Not(HasSubstr("\n# owned")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  // HTML may stand only inside code: there it is text.
  bool fenced = false;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("```")) fenced = !fenced;
    for (size_t tick = 0; (tick = line.find("\\`", tick)) != std::string::npos;) line.erase(tick, 2);  // text, no code
    size_t script = line.find("<script>");
    if (fenced || script == std::string::npos) continue;
    EXPECT_EQ(std::count(line.begin(), line.begin() + static_cast<long>(script), '`') % 2, 1) << line;
  }
  EXPECT_FALSE(fenced);
  auto kept = kept_texts(text);
  ASSERT_TRUE(kept.has_value());
  EXPECT_FALSE(kept->contains("evil"));
}

TEST(Tracker, QualityPartKnowsNoTimesMemoryOrRunNumbers) {
  TrackerInput input = sample_input(), other = sample_input();
  for (RunView& v : other.runs) {
    v.run.id += 40;
    v.run.started_ms += 12345678;
    v.run.ended_ms += 22345678;
    v.performance.wall_s = 7;
    v.performance.peak_rss_bytes = 1;
    v.performance.generated_tok_s.reset();
    v.engine_version = "b9999";
    for (TaskSummary& t : v.tasks) {
      t.wall_s = 99;
      t.n_reused = 50;
    }
  }
  EXPECT_EQ(tracker_quality_part(input), tracker_quality_part(other));
  other.runs[1].tasks[0].metrics[0].value = 0.34;
  EXPECT_NE(tracker_quality_part(input), tracker_quality_part(other));
  EXPECT_THAT(tracker_quality_part(input), HasSubstr("unterminated string literal in 61 of 100 answers"));
}

TEST(Tracker, ShowsARunThatEndedWithNothing) {
  TrackerInput input = sample_input();
  RunView failed = run(8, "memory_optimized");
  failed.run.status = RunStatus::failed;
  failed.performance = RunPerformance{};
  input.runs.push_back(failed);
  std::string text = rendered(input);
  EXPECT_THAT(text, HasSubstr("**Run 8** ("));
  EXPECT_THAT(text, HasSubstr("ended before anything was scored"));
}

TEST(Tracker, ShowsImportedRowsApart) {
  TrackerInput input = sample_input();
  input.imported = import_tracker_v1(read_file(QEVAL_SOURCE_DIR "/tests/cases/report/tracker-v1.md").value()).value();
  std::string text = rendered(input);
  EXPECT_THAT(text, HasSubstr("### Imported From the First Tracker (historic, unverified)"));
  size_t log = text.find("## Changelog"),
         entry = text.find("### First tracker v1.0 - September 17, 2025 (imported, unverified)");
  ASSERT_NE(entry, std::string::npos);
  EXPECT_GT(entry, text.find("### Run 1 ", log));
}

}  // namespace
}  // namespace qeval
