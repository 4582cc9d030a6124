#include <gtest/gtest.h>

#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;

std::string extracted(const Regex& regex, const std::string& answer) {
  auto found = regex.findall(answer);
  EXPECT_TRUE(found) << found.error().message;
  if (!found || found->empty()) return "[invalid]";
  for (const std::string& group : found->front())
    if (!group.empty()) return py_strip(group);
  return "[invalid]";
}

// What answers of models look like, with the letter that each filter must find in them.
TEST(Generative, LettersAreFoundInProse) {
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry);
  auto spec = (*registry)->describe("arc_challenge_gen");
  ASSERT_TRUE(spec) << spec.error().message;
  auto strict = Regex::compile(json_string(spec->scoring.filters[0].steps[0].arguments, "regex_pattern"));
  auto flexible = Regex::compile(json_string(spec->scoring.filters[1].steps[0].arguments, "regex_pattern"));
  ASSERT_TRUE(strict) << strict.error().message;
  ASSERT_TRUE(flexible) << flexible.error().message;
  Json cases = parse_json(read_file(cases_dir() + "/letters.json").value()).value();
  EXPECT_GT(cases.size(), 25u);
  for (const Json& c : cases) {
    std::string answer = c["answer"];
    EXPECT_EQ(extracted(*flexible, answer), c["flexible"].get<std::string>()) << answer;
    if (c["strict"].is_string()) {
      EXPECT_EQ(extracted(*strict, answer), c["strict"].get<std::string>()) << answer;
    }
  }
  // Hostile length: an answer or an error, but soon.
  std::string spaces = "answer" + std::string(200000, ' ');
  (void)flexible->findall(spaces);
}

class GenerativePrompts : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_.write("arc/ARC-Challenge-Test.jsonl", R"({"id":"x","question":"S? ","choices":{"text":["p","q","r"],"label":["1","2","3"]},"answerKey":"2"})");
    dir_.write("hellaswag/hellaswag_val.jsonl", R"({"ind":0,"activity_label":"Cooking","ctx_a":"A man stirs.","ctx_b":"he","ctx":"","endings":["a","b","c","d"],"label":3})");
    dir_.write("winogrande/dev.jsonl", R"({"qID":"1","sentence":"The _ ran.","option1":"cat","option2":"dog","answer":"2"})");
    dir_.write("piqa/valid.jsonl", R"({"goal":"g","sol1":"s","sol2":"t","label":0})");
    dir_.write("mmlu/test/world_religions_test.csv", "Who?,1,2,3,4,D\n");
    sources_.data_dir = dir_.path();
    sources_.offline = true;
  }
  void expect(const char* name, const std::string& prompt, const std::string& target) {
    auto registry = open_task_registry(sources_);
    ASSERT_TRUE(registry);
    auto task = (*registry)->load(name, {});
    ASSERT_TRUE(task) << task.error().message;
    auto sample = (*task)->build(0, nullptr);
    ASSERT_TRUE(sample) << sample.error().message;
    EXPECT_EQ(std::get<std::string>(sample->requests[0].prompt), prompt);
    EXPECT_EQ(sample->target, target);
    EXPECT_EQ(sample->references, std::vector<std::string>{target});
    EXPECT_EQ(sample->requests.size(), 1u);
    EXPECT_TRUE((*task)->spec().scoring.chance);
  }
  TempDir dir_;
  TaskSources sources_;
};

TEST_F(GenerativePrompts, AskForALetter) {
  expect("arc_challenge_gen",
         "Answer the following multiple-choice question with the letter of the right option only.\n\nQuestion: S?\nA. p\nB. q\nC. r\nAnswer:", "B");
  expect("hellaswag_gen",
         "Which ending continues the text best? Answer with its letter only.\n\nText: Cooking: A man stirs. He\nA. a\nB. b\nC. c\nD. d\nAnswer:", "D");
  expect("winogrande_gen", "Which option fits the blank (_) in the sentence? Answer with its letter only.\n\nSentence: The _ ran.\nA. cat\nB. dog\nAnswer:", "B");
  expect("piqa_gen", "Which solution reaches the goal better? Answer with its letter only.\n\nGoal: g\nA. s\nB. t\nAnswer:", "A");
  expect("mmlu_gen",
         "Answer the following multiple-choice question about world religions with the letter of the right option only.\n\nQuestion: Who?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:", "D");
}

TEST_F(GenerativePrompts, CodeTasksCarryTheirProgram) {
  dir_.write("mbpp/mbpp.jsonl",
             R"~({"task_id": 11, "text": "T", "code": "c", "test_list": ["assert a", "assert b", "assert c"], "test_setup_code": "root = Node(1)", "challenge_test_list": []})~" "\n"
             R"({"task_id": 2, "text": "shot", "code": "c", "test_list": ["1", "2", "3"], "test_setup_code": ""})" "\n");
  auto registry = open_task_registry(sources_);
  ASSERT_TRUE(registry);
  auto task = (*registry)->load("mbpp_instruct", {});
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ((*task)->n_docs_total(), 1);
  EXPECT_EQ((*task)->build(0, nullptr)->target, "root = Node(1)\nassert a\nassert b\nassert c");
  const ScoringSpec& scoring = (*task)->spec().scoring;
  EXPECT_EQ(scoring.scorer, "python_tests");
  EXPECT_EQ(scoring.scorer_options.dump(), R"({"prepend_prompt":false,"timeout_s":3.0,"extract":"first_fence"})");
  EXPECT_EQ(scoring.metrics[0].name, "pass_at_1");
  EXPECT_EQ((*registry)->describe("mbpp")->scoring.scorer_options["extract"], "raw");
  EXPECT_EQ((*registry)->describe("humaneval")->scoring.scorer_options.dump(), R"({"prepend_prompt":true,"timeout_s":3.0,"extract":"raw"})");
  auto instruct = (*registry)->describe("humaneval_instruct");
  EXPECT_EQ(instruct->scoring.scorer_options.dump(), R"({"prepend_prompt":true,"timeout_s":3.0,"extract":"fence_cut"})");
  EXPECT_EQ(instruct->scoring.metrics[0].name, "pass_at_k");
  EXPECT_EQ(instruct->scoring.metrics[0].options["k"], Json::array({1}));
}

TEST_F(GenerativePrompts, SelectionThinkingAndRepeats) {
  std::string rows;
  for (int i = 0; i < 50; ++i) rows += R"({"question": "q)" + std::to_string(i) + R"(", "answer": "#### 1"})" "\n";
  dir_.write("gsm8k/test.jsonl", rows);
  auto registry = open_task_registry(sources_);
  ASSERT_TRUE(registry);
  TaskOverrides overrides;
  overrides.limit = 10;
  overrides.sample_seed = 3;
  overrides.repeats = 2;
  overrides.enable_thinking = true;
  overrides.apply_chat_template = true;
  overrides.gen_kwargs = {{"temperature", 0.6}, {"max_gen_toks", 4096}};
  auto task = (*registry)->load("gsm8k_cot_zeroshot", overrides);
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ((*task)->doc_ids(), (std::vector<int64_t>{4, 8, 15, 23, 30, 34, 37, 38, 40, 48}));  // sorted(Random(3).sample(range(50), 10))
  auto sample = (*task)->build(0, nullptr);
  ASSERT_TRUE(sample);
  ASSERT_EQ(sample->requests.size(), 2u);
  const auto& chat = std::get<ChatPrompt>(sample->requests[1].prompt);
  EXPECT_EQ(sample->requests[1].repeat, 1);
  EXPECT_EQ(chat.enable_thinking, true);
  EXPECT_FALSE(chat.continue_final_message);
  EXPECT_EQ(sample->requests[0].sampling.temperature, 0.6);
  EXPECT_EQ(sample->requests[0].max_new_tokens, 4096 + 4096);  // the answer's limit and the budget for thinking
  EXPECT_TRUE(sample->requests[0].until.empty());
  EXPECT_EQ((*task)->spec().scoring.until.size(), 3u);
  EXPECT_EQ((*task)->spec().scoring.think_end_token, "</think>");
  overrides.gen_kwargs = {{"temperature", 0.7}, {"max_gen_toks", 4096}};
  EXPECT_NE((*(*registry)->load("gsm8k_cot_zeroshot", overrides))->identity(), (*task)->identity());
}

}  // namespace
}  // namespace qeval
