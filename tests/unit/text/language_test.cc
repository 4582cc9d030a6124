// Sentences, words and languages against NLTK and langdetect on the small models of the fixtures
// (tests/cases/text/make_language_cases.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "qeval/text/language_detector.h"
#include "qeval/text/sentences.h"
#include "qeval/text/unicode.h"
#include "qeval/util/file.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

const std::string kFixture = std::string(QEVAL_SOURCE_DIR) + "/reference/fixtures/ifeval/";

std::string text_of(const std::string& path) {
  auto text = read_file(path);
  EXPECT_TRUE(text) << path;
  return text.value_or("");
}

Json cases(const std::string& name) {
  auto json = parse_json(text_of(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/text/" + name));
  EXPECT_TRUE(json) << (json ? "" : json.error().message);
  return json ? *json : Json();
}

PunktFiles punkt_files() {
  std::string folder = kFixture + "punkt/english/";
  return {text_of(folder + "abbrev_types.txt"), text_of(folder + "collocations.tab"), text_of(folder + "sent_starters.txt"),
          text_of(folder + "ortho_context.tab")};
}

SentenceSplitter splitter() {
  auto made = SentenceSplitter::load(punkt_files());
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return *made;
}

std::vector<std::pair<std::string, std::string>> profiles() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& entry : std::filesystem::directory_iterator(kFixture + "langdetect/profiles"))
    out.emplace_back(entry.path().filename().string(), text_of(entry.path().string()));
  std::sort(out.begin(), out.end());
  return out;
}

LanguageDetector detector() {
  auto made = LanguageDetector::load(profiles(), text_of(kFixture + "langdetect/messages.properties"));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return *made;
}

TEST(Sentences, AreThoseOfPunkt) {
  SentenceSplitter split = splitter();
  Json all = cases("sentences.json")["sentences"];
  ASSERT_GT(all.size(), 400u);
  for (const Json& c : all)
    EXPECT_EQ(split.split(c["text"].get<std::string>()), c["sentences"].get<std::vector<std::string>>()) << c["text"];
}

TEST(Sentences, WordsAreThoseOfNltk) {
  Json all = cases("sentences.json")["words"];
  ASSERT_GT(all.size(), 100u);
  for (const Json& c : all) {
    auto words = treebank_words(c["text"].get<std::string>());
    ASSERT_TRUE(words) << words.error().message;
    EXPECT_EQ(*words, c["words"].get<std::vector<std::string>>()) << c["text"];
  }
}

TEST(Sentences, BrokenModelsNameFileAndLine) {
  PunktFiles files = punkt_files();
  files.ortho_context = "the\t46\nthey\n";
  auto made = SentenceSplitter::load(files);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("ortho_context.tab"), std::string::npos);
  EXPECT_NE(made.error().message.find("they"), std::string::npos);
  files = punkt_files();
  files.collocations = "one\ttwo\tthree\n";
  EXPECT_FALSE(SentenceSplitter::load(files));
}

// A quadratic step anywhere would take minutes here.
TEST(Sentences, HostileTextsAreLinear) {
  SentenceSplitter split = splitter();
  for (const char* piece : {"!", ". ", "...", "a", " ", "\n", ".\"", "- ", "? )", "Dr. "}) {
    std::string text;
    while (text.size() < 300'000) text += piece;
    split.split(text);
  }
  EXPECT_EQ(split.split("\xff\xfe. \xc3(. End"), split.split(valid_utf8("\xff\xfe. \xc3(. End")));
}

TEST(Language, IsThatOfLangdetect) {
  LanguageDetector detect = detector();
  Json all = cases("languages.json");
  ASSERT_GT(all.size(), 20u);
  for (const Json& c : all) {
    auto found = detect.detect(c["text"].get<std::string>());
    if (c["language"].is_null()) EXPECT_FALSE(found) << c["text"] << " " << found.value_or("");
    else EXPECT_EQ(found.value_or("none"), c["language"].get<std::string>()) << c["text"];
  }
}

TEST(Language, BrokenProfilesNameTheFile) {
  for (const char* text : {"", "[]", "{\"freq\": {\"a\": 1}, \"n_words\": [1, 2], \"name\": \"en\"}", "{\"freq\": {\"a\": \"x\"}, \"n_words\": [1,1,1], \"name\": \"en\"}"}) {
    auto made = LanguageDetector::load({{"zz", text}, {"yy", text}}, "");
    ASSERT_FALSE(made) << text;
    EXPECT_NE(made.error().message.find("zz"), std::string::npos);
  }
}

TEST(Language, ReadsTheBeginningOfLongTexts) {
  LanguageDetector detect = detector();
  std::string text = "The children play between the houses. ";
  for (const char* piece : {"a@", "http", "http://x ", "@@@@", "e\xcc\x82"}) {
    std::string hostile = text;
    while (hostile.size() < 1'000'000) hostile += piece;
    detect.detect(hostile);
  }
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += text;
  EXPECT_EQ(detect.detect(long_text + std::string(100000, 'q')), "en");
}

}  // namespace
}  // namespace qeval
