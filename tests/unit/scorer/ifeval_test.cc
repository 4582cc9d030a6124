// Verdicts of IFEval: a passing and a failing answer per kind, and the original checker's on GPT-4's answers.
#include "qeval/scorer/ifeval.h"

#include <cstdlib>
#include <filesystem>
#include <set>

#include "scorer_testing.h"
#include "qeval/scorer/ifeval_checks.h"

namespace qeval {
namespace {

const IfevalModels& small_models() {
  static const auto models = load_ifeval_models(std::string(QEVAL_SOURCE_DIR) + "/reference/fixtures/ifeval");
  if (!models) ADD_FAILURE() << models.error().message;
  return *models;
}

TEST(Ifeval, EveryCaseIsDecidedAsWritten) {
  std::set<std::string> passing, failing;
  for (const Json& c : load_cases("ifeval.json")) {
    IfevalInstruction instruction{json_string(c, "id"), c.contains("kwargs") ? c["kwargs"] : Json::object()};
    auto found = follows(instruction, json_string(c, "text"), small_models());
    ASSERT_TRUE(found) << c << found.error().message;
    EXPECT_EQ(*found, json_bool(c, "follows")) << c;
    (*found ? passing : failing).insert(instruction.id);
  }
  auto kinds = ifeval_kinds();
  EXPECT_EQ(kinds.size(), 25u);
  EXPECT_EQ(passing, std::set<std::string>(kinds.begin(), kinds.end()));
  EXPECT_EQ(failing, std::set<std::string>(kinds.begin(), kinds.end()));
}

TEST(Ifeval, NothingFollowsFromNothing) {
  for (const std::string& kind : ifeval_kinds()) {
    auto found = follows({kind, Json::object()}, " \n\t", small_models());
    ASSERT_TRUE(found) << kind;
    EXPECT_FALSE(*found) << kind;
  }
}

TEST(Ifeval, MissingArgumentsAreErrorsThatNameThem) {
  auto found = follows({"keywords:frequency", {{"relation", "at least"}, {"frequency", 2}}}, "text", small_models());
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("keyword"), std::string::npos);
  EXPECT_FALSE(follows({"keywords:frequency", {{"keyword", "a"}, {"relation", "about"}, {"frequency", 2}}}, "a", small_models()));
  EXPECT_FALSE(follows({"no:such_kind", Json::object()}, "text", small_models()));
}

TEST(Ifeval, LooseVariantsAreThoseOfTheOriginal) {
  EXPECT_EQ(loose_variants("a\n*b*\nc"), (std::vector<std::string>{"a\n*b*\nc", "a\nb\nc", "*b*\nc", "b\nc", "a\n*b*", "a\nb", "*b*", "b"}));
  EXPECT_EQ(loose_variants("one line"), std::vector<std::string>{"one line"});
  EXPECT_EQ(loose_variants("a\nb"), (std::vector<std::string>{"a\nb", "b", "a"}));
}

TEST(Ifeval, JsonIsWhatPythonReads) {
  for (const char* good : {"{}", "[]", "1", "-0.5e+3", "NaN", "[Infinity, -Infinity]", "\"a\\u00e9\\n\"", " {\"a\": [1, {\"b\": null}], \"a\": true} ", "\"\\ud800\""})
    EXPECT_TRUE(is_python_json(good)) << good;
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1,}", "01", "+1", "1.", ".5", "'a'", "\"a\nb\"", "{a: 1}", "[1 2]", "1 2", "\"\\x\"", "\"\\u12\"", "tru", "{\"a\" 1}", "{1: 2}", "[1}", "-"})
    EXPECT_FALSE(is_python_json(bad)) << bad;
  EXPECT_TRUE(is_python_json(std::string(900, '[') + std::string(900, ']')));
  EXPECT_FALSE(is_python_json(std::string(10'000'000, '[')));
  EXPECT_TRUE(is_python_json(std::string(4300, '1')));
  EXPECT_FALSE(is_python_json(std::string(4301, '1')));
  std::string wide = "{";
  for (int i = 0; i < 500'000; ++i) wide += "\"k" + std::to_string(i) + "\": 1,";
  EXPECT_TRUE(is_python_json(wide + "\"z\": 1}"));
}

TaskSpec ifeval_task(const std::string& folder) {
  TaskSpec spec = text_task();
  spec.scoring.scorer = "ifeval";
  spec.scoring.scorer_options = {{"folder", folder}};
  spec.scoring.metrics = {{"prompt_level_strict_acc", "mean", true, {}}, {"inst_level_strict_acc", "weighted_mean", true, {}},
                          {"prompt_level_loose_acc", "mean", true, {}}, {"inst_level_loose_acc", "weighted_mean", true, {}}};
  return spec;
}

Sample ifeval_sample(Json ids, Json kwargs) {
  Sample sample = text_sample("");
  sample.doc = {{"prompt", "p"}, {"instruction_id_list", std::move(ids)}, {"kwargs", std::move(kwargs)}};
  return sample;
}

std::unique_ptr<Scorer> small_scorer() {
  auto made = make_scorer(ifeval_task(std::string(QEVAL_SOURCE_DIR) + "/reference/fixtures/ifeval"), nullptr);
  if (!made) ADD_FAILURE() << made.error().message;
  return std::move(*made);
}

TEST(Ifeval, ScoresPromptAndInstructionsAndSaysWhatWasMissed) {
  auto scorer = small_scorer();
  Sample sample = ifeval_sample(Json::array({"punctuation:no_comma", "startend:quotation"}), Json::array({Json::object(), Json{{"unused", nullptr}}}));
  Score half = scorer->score(sample, {answer("no comma")})[0];
  EXPECT_EQ(half.failure_class, FailureClass::wrong_answer);
  EXPECT_EQ(metric_of(half, "prompt_level_strict_acc"), 0);
  EXPECT_EQ(metric_of(half, "inst_level_strict_acc"), 0.5);
  EXPECT_NE(half.explanation.find("startend:quotation"), std::string::npos);
  Score loosely = scorer->score(sample, {answer("Sure:\n\"no comma\"")})[0];
  EXPECT_EQ(loosely.failure_class, FailureClass::wrong_format);
  EXPECT_EQ(metric_of(loosely, "prompt_level_loose_acc"), 1);
  EXPECT_EQ(scorer->score(sample, {answer("\"no comma\"")})[0].failure_class, FailureClass::correct);
  EXPECT_EQ(scorer->score(sample, {answer("no", FinishReason::length)})[0].failure_class, FailureClass::truncated);
  EXPECT_EQ(scorer->score(sample, {answer("")})[0].failure_class, FailureClass::empty_or_refusal);
}

TEST(Ifeval, InstructionAccuracyIsOverAllInstructions) {
  auto scorer = small_scorer();
  Sample one = ifeval_sample(Json::array({"punctuation:no_comma"}), Json::array({Json::object()}));
  Sample three = ifeval_sample(Json::array({"punctuation:no_comma", "startend:quotation", "detectable_format:title"}), Json::array({Json::object(), Json::object(), Json::object()}));
  std::vector<std::vector<Score>> scores = {scorer->score(one, {answer("fine")}), scorer->score(three, {answer("a, b")})};
  auto summary = summarise(ifeval_task(""), scores);
  ASSERT_EQ(summary.size(), 4u);
  EXPECT_DOUBLE_EQ(summary[0].value, 0.5);   // prompts
  EXPECT_DOUBLE_EQ(summary[1].value, 0.25);  // 1 of 4, not the mean of 1 and 0
}

TEST(Ifeval, HostileAnswersCostLittle) {
  auto scorer = small_scorer();
  Json ids = Json::array(), kwargs = Json::array();
  for (const Json& c : load_cases("ifeval.json")) {
    if (!json_bool(c, "follows")) continue;
    ids.push_back(c["id"]);
    kwargs.push_back(c.contains("kwargs") ? c["kwargs"] : Json::object());
  }
  Sample sample = ifeval_sample(ids, kwargs);
  EXPECT_NE(scorer->score(sample, {answer(std::string(10'000'000, '['))})[0].explanation.find("256 KiB"), std::string::npos);
  for (const char* piece : {"[", "*", "<<", "\n", "{\"a\":[", "\xff", "a.", "***", "\n* ", "Section 1 "}) {
    std::string text;
    while (text.size() < 30'000) text += piece;
    EXPECT_EQ(scorer->score(sample, {answer(text)})[0].metrics.size(), 4u) << piece;
  }
}

std::string real_models() {
  std::vector<std::string> places;
  if (const char* dir = std::getenv("QEVAL_IFEVAL_DIR")) places.emplace_back(dir);
  if (const char* dir = std::getenv("QEVAL_DATA_DIR")) places.push_back(std::string(dir) + "/ifeval");
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache && *cache) places.push_back(std::string(cache) + "/qeval/data/ifeval");
  if (home) places.push_back(std::string(home) + "/.cache/qeval/data/ifeval");
  for (const std::string& place : places)
    if (std::filesystem::is_directory(place + "/punkt/english") && std::filesystem::is_directory(place + "/langdetect/profiles")) return place;
  return "";
}

std::vector<Json> lines_of(const std::string& path) {
  std::vector<Json> out;
  std::istringstream in(read_file(path).value_or(""));
  for (std::string line; std::getline(in, line);)
    if (auto json = parse_json(line)) out.push_back(*json);
  return out;
}

TEST(Ifeval, VerdictsAreTheOriginals) {
  const char *data = std::getenv("QEVAL_DATA_DIR"), *parity = std::getenv("QEVAL_PARITY_DIR");
  std::string folder = real_models();
  if (!data || !parity) GTEST_SKIP() << "QEVAL_DATA_DIR and QEVAL_PARITY_DIR are not set";
  if (folder.empty()) GTEST_SKIP() << "no sentence model and language profiles; `qeval data pull ifeval` fetches them";
  auto scorer = make_scorer(ifeval_task(folder), nullptr);
  ASSERT_TRUE(scorer) << scorer.error().message;
  std::map<int64_t, Json> docs;
  for (Json& doc : lines_of(std::string(data) + "/ifeval/input_data.jsonl")) docs[json_int(doc, "key")] = doc;
  size_t n_instructions = 0, n_different = 0;
  for (const Json& line : lines_of(std::string(parity) + "/ifeval_gpt4/verdicts.jsonl")) {
    const Json& doc = docs.at(json_int(line, "key"));
    Sample sample = text_sample("");
    sample.doc = doc;
    Score score = (*scorer)->score(sample, {answer(json_string(line, "response"))})[0];
    for (size_t i = 0; i < line["strict"].size(); ++i) {
      ++n_instructions;
      const Json& ours = score.details["instructions"][i];
      bool equal = ours["strict"] == line["strict"][i] && ours["loose"] == line["loose"][i];
      n_different += !equal;
      EXPECT_TRUE(equal) << "key " << json_int(line, "key") << " " << ours << " and not " << line["strict"][i] << " " << line["loose"][i] << " kwargs "
                         << doc["kwargs"][i] << " " << score.explanation;
    }
  }
  EXPECT_GT(n_instructions, 400u);
  RecordProperty("instructions", static_cast<int>(n_instructions));
  RecordProperty("different", static_cast<int>(n_different));
}

}  // namespace
}  // namespace qeval
