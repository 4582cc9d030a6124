#include "qeval/synth/synth.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

std::string lines(const std::string& name, int level, int64_t n, uint64_t seed = 1234) {
  auto docs = generate(name, level, n, seed);
  EXPECT_TRUE(docs.has_value()) << docs.error().message;
  std::string out;
  for (const Json& doc : *docs) out += dump_json(doc) + "\n";
  return out;
}

class EachGenerator : public testing::TestWithParam<std::string> {};

// The bytes of 50 documents, by generator and level. They change only with kSynthVersion.
TEST_P(EachGenerator, GivesTheSameBytesOnEveryMachine) {
  std::string file = QEVAL_SOURCE_DIR "/tests/golden/synthetic.json";
  auto golden = parse_json(read_file(file).value());
  ASSERT_TRUE(golden.has_value()) << golden.error().message;
  bool write = std::getenv("QEVAL_WRITE_GOLDEN") != nullptr;
  if (write) (*golden)["version"] = kSynthVersion;
  ASSERT_EQ(json_int(*golden, "version"), kSynthVersion);
  for (int level = 0; level <= 5; ++level) {
    std::string key = fmt::format("{}/{}", GetParam(), level);
    if (write) (*golden)["sha256"][key] = sha256_hex(lines(GetParam(), level, 50));
    EXPECT_EQ(sha256_hex(lines(GetParam(), level, 50)), json_string((*golden)["sha256"], key)) << key;
  }
  if (write) {
    ASSERT_TRUE(write_file_atomic(file, dump_json(*golden, 1) + "\n").has_value());
  }
}

// An independent solver in Python reads the questions and must find every gold answer; code is run.
TEST_P(EachGenerator, GoldIsRight) {
  if (std::system("python3 -c pass >/dev/null 2>&1") != 0) GTEST_SKIP() << "no python3";
  std::string text;
  for (int level = 1; level <= 5; ++level) text += lines(GetParam(), level, 80, 7) + lines(GetParam(), level, 40, 1234);
  auto input = std::filesystem::temp_directory_path() / fmt::format("qeval_synth_{}_{}", GetParam(), getpid());
  ASSERT_TRUE(write_file_atomic(input.string(), text).has_value());
  std::string output = input.string() + ".out";
  int rc = std::system(fmt::format("python3 {}/tests/golden/solve_synthetic.py {} < {} > {} 2>&1", QEVAL_SOURCE_DIR,
                                   GetParam(), input.string(), output)
                           .c_str());
  EXPECT_EQ(rc, 0) << read_file(output).value_or("");
  std::filesystem::remove(input);
  std::filesystem::remove(output);
}

TEST_P(EachGenerator, FewerDocumentsAreTheFirstOfMore) {
  for (int level : {0, 3}) EXPECT_TRUE(lines(GetParam(), level, 40).starts_with(lines(GetParam(), level, 13)));
}

TEST_P(EachGenerator, SeedsAndLevelsDiffer) {
  std::set<std::string> seen;
  for (uint64_t seed : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 40})
    for (int level = 1; level <= 5; ++level) EXPECT_TRUE(seen.insert(lines(GetParam(), level, 5, seed)).second);
}

TEST_P(EachGenerator, QuestionsDoNotRepeat) {
  auto docs = generate(GetParam(), 1, 400, 5);
  ASSERT_TRUE(docs.has_value()) << docs.error().message;
  std::set<std::string> seen;
  for (Json doc : *docs) {
    for (const char* key : {"id", "task_id", "choices", "answerKey", "distractors"}) doc.erase(key);
    EXPECT_TRUE(seen.insert(dump_json(doc)).second) << dump_json(doc);
  }
}

TEST_P(EachGenerator, LevelZeroTakesAllInTurn) {
  auto docs = generate(GetParam(), 0, 10, 5);
  ASSERT_TRUE(docs.has_value());
  for (size_t i = 0; i < docs->size(); ++i) EXPECT_EQ(json_int((*docs)[i], "level"), static_cast<int64_t>(i % 5) + 1);
}

INSTANTIATE_TEST_SUITE_P(Synth, EachGenerator, testing::Values("arithmetic", "choice", "python", "format", "json_schema"),
                         [](const auto& p) { return p.param; });

TEST(Synth, RightPositionIsBalanced) {
  auto docs = generate("choice", 2, 100, 9);
  ASSERT_TRUE(docs.has_value());
  std::map<std::string, int> positions;
  for (const Json& doc : *docs) ++positions[json_string(doc, "answerKey")];
  for (const char* label : {"A", "B", "C", "D"}) EXPECT_EQ(positions[label], 25) << label;
}

TEST(Synth, SaysWhatIsWrongWithTheArguments) {
  EXPECT_NE(generate("poems", 1, 5, 1).error().message.find("arithmetic, choice, python, format, json_schema"), std::string::npos);
  EXPECT_NE(generate("choice", 6, 5, 1).error().message.find("not 6"), std::string::npos);
  EXPECT_FALSE(generate("choice", -1, 5, 1).has_value());
  EXPECT_FALSE(generate("choice", 1, 0, 1).has_value());
  EXPECT_FALSE(generate("choice", 1, 100001, 1).has_value());
}

}  // namespace
}  // namespace qeval
