#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "qeval/report/tracker.h"
#include "qeval/util/file.h"
#include "report_testing.h"

namespace qeval {
namespace {

using namespace testing_runs;
using ::testing::HasSubstr;

class TrackerFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("qeval_tracker_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / "TRACKER.md").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string text() const { return read_file(path_).value_or(""); }
  void write(const std::string& text) const { ASSERT_TRUE(write_file_atomic(path_, text).has_value()); }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(TrackerFile, RewritingGivesTheSameBytes) {
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  std::string first = text();
  EXPECT_TRUE(is_own_tracker(first));
  auto written = std::filesystem::last_write_time(path_);
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  EXPECT_EQ(text(), first);
  EXPECT_EQ(std::filesystem::last_write_time(path_), written) << "a file that would not change is not touched";
}

TEST_F(TrackerFile, KeepsWhatPeopleWrote) {
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  std::string document = text(), mark = "<!-- qeval:keep analysis -->\n",
              note = "Our own view: *wait* | see <b>x</b>\n\n    indented\n";
  document.insert(document.find(mark) + mark.size(), note);
  document += "<!-- qeval:keep mine -->\nA text of a mark that qeval does not know\n<!-- /qeval:keep -->\n";
  write(document);
  TrackerInput more = sample_input();
  more.runs.pop_back();
  ASSERT_TRUE(update_tracker_file(path_, more).has_value());
  EXPECT_THAT(text(), HasSubstr(mark + note + "<!-- /qeval:keep -->\n"));
  EXPECT_THAT(text(),
              HasSubstr("<!-- qeval:keep mine -->\nA text of a mark that qeval does not know\n<!-- /qeval:keep -->\n"));
  std::string once = text();
  ASSERT_TRUE(update_tracker_file(path_, more).has_value());
  EXPECT_EQ(text(), once);
}

TEST_F(TrackerFile, TextWithWindowsLineEndsIsKept) {
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  std::string document = text(), windows;
  document.insert(document.find("<!-- /qeval:keep -->"), "note\n");
  for (char c : document) windows += c == '\n' ? "\r\n" : std::string(1, c);
  write(windows);
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  EXPECT_THAT(text(), HasSubstr("<!-- qeval:keep overview -->\nnote\r\n<!-- /qeval:keep -->\n"));
}

TEST_F(TrackerFile, NeverOverwritesAnothersDocument) {
  std::string theirs = "# Notes\n\nqeval writes <!-- qeval:tracker --> marks, says the manual.\n";
  write(theirs);
  for (const Status& status : {check_tracker_writable(path_), update_tracker_file(path_, sample_input())}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().kind, ErrorKind::bad_input);
    EXPECT_THAT(status.error().message, HasSubstr("--tracker FILE"));
    EXPECT_THAT(status.error().message, HasSubstr("qeval tracker --adopt"));
    EXPECT_THAT(status.error().message, HasSubstr(path_));
  }
  EXPECT_EQ(text(), theirs);
}

TEST_F(TrackerFile, BrokenMarksLeaveTheFileAsItIs) {
  ASSERT_TRUE(update_tracker_file(path_, sample_input()).has_value());
  std::string broken = text();
  broken.erase(broken.find("<!-- /qeval:keep -->"), 20);
  broken += "A line that must not be lost\n";
  write(broken);
  auto status = update_tracker_file(path_, sample_input());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(text(), broken);
}

TEST_F(TrackerFile, AnEmptyFileIsFree) {
  write("\n \n");
  EXPECT_TRUE(check_tracker_writable(path_).has_value());
  EXPECT_TRUE(update_tracker_file(path_, sample_input()).has_value());
}

TEST_F(TrackerFile, AFolderThatIsNotThereIsAnError) {
  auto status = update_tracker_file((folder_ / "no" / "T.md").string(), sample_input());
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("no/T.md"));
}

TEST_F(TrackerFile, AdoptedTextStaysWholeAndCannotPassForMarks) {
  TrackerInput input = sample_input();
  input.adopted = "# Old\n<!-- /qeval:keep -->\n<!-- qeval:keep x -->\ntail without a line end";
  write(render_tracker(input, {}));
  auto kept = kept_texts(text());
  ASSERT_TRUE(kept.has_value()) << kept.error().message;
  EXPECT_EQ((*kept)["adopted"], "# Old\n\\<!-- /qeval:keep -->\n\\<!-- qeval:keep x -->\ntail without a line end\n");
  input.adopted.clear();  // another store: the file itself carries the text
  std::string before = text();
  ASSERT_TRUE(update_tracker_file(path_, input).has_value());
  EXPECT_EQ(text(), before);
}

TEST(KeptTexts, SayWhereAMarkIsWrong) {
  auto message = [](const std::string& text) {
    auto kept = kept_texts(text);
    return kept ? "" : kept.error().message;
  };
  EXPECT_THAT(message("a\n<!-- qeval:keep x -->\nb\n"), HasSubstr("line 2"));
  EXPECT_THAT(message("a\nb\n<!-- /qeval:keep -->\n"), HasSubstr("line 3"));
  EXPECT_THAT(message("<!-- qeval:keep x -->\n<!-- qeval:keep y -->\n<!-- /qeval:keep -->\n"), HasSubstr("line 2"));
  EXPECT_THAT(message("<!-- qeval:keep two words -->\n"), HasSubstr("line 1"));
  auto joined =
      kept_texts("<!-- qeval:keep x -->\n1\n<!-- /qeval:keep -->\n<!-- qeval:keep x -->\n2\n<!-- /qeval:keep -->");
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ((*joined)["x"], "1\n2\n");
  EXPECT_TRUE(kept_texts("").value().empty());
}

TEST(KeptTexts, TenMegabytesAreRead) {
  std::string text = "<!-- qeval:keep x -->\n";
  while (text.size() < 10000000) text += "<!-- /qeval:keep\n\n";
  EXPECT_FALSE(kept_texts(text).has_value());
  EXPECT_EQ(kept_texts(text + "<!-- /qeval:keep -->\n").value()["x"].size(), text.size() - 22);
  EXPECT_FALSE(import_tracker_v1(std::string(10000000, '|')).has_value());
  EXPECT_FALSE(import_tracker_v1(std::string(10000000, '*')).has_value());
}

TEST(Import, ReadsTheFirstTracker) {
  auto rows = import_tracker_v1(read_file(QEVAL_SOURCE_DIR "/tests/cases/report/tracker-v1.md").value());
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(json_string(*rows, "last_updated"), "September 17, 2025");
  EXPECT_EQ(json_string(*rows, "framework"), "v1.0");
  EXPECT_EQ(json_string(*rows, "gpu"), "NVIDIA H100 80GB HBM3");
  EXPECT_EQ((*rows)["verified"], false);
  ASSERT_EQ((*rows)["scores"].size(), 6);
  Json gsm = (*rows)["scores"][0];
  EXPECT_EQ(json_string(gsm, "model"), "Qwen-3 8B Instruct");
  EXPECT_EQ(json_string(gsm, "preset"), "Performance Preset Evaluation (September 17, 2025)");
  EXPECT_EQ(json_string(gsm, "dataset"), "GSM8K");
  EXPECT_EQ(json_int(gsm, "samples"), 100);
  EXPECT_DOUBLE_EQ(json_number(gsm, "value"), 0.56);
  EXPECT_EQ(json_string((*rows)["scores"][5], "dataset"), "MT-Bench");
  ASSERT_EQ((*rows)["models"].size(), 2);
  EXPECT_EQ(json_string((*rows)["models"][0], "hf_id"), "Qwen/Qwen2.5-7B-Instruct");
  bool throughput = false;
  for (const Json& fact : (*rows)["facts"])
    throughput = throughput ||
                 (json_string(fact, "name") == "Throughput" && json_string(fact, "value") == "119.02 tokens/second" &&
                  json_string(fact, "part") == "System Performance");
  EXPECT_TRUE(throughput);
}

TEST(Import, RefusesADocumentWithoutScores) {
  EXPECT_EQ(import_tracker_v1("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n").error().kind, ErrorKind::bad_input);
  EXPECT_FALSE(import_tracker_v1("").has_value());
}

}  // namespace
}  // namespace qeval
