#include "qeval/scorer/filter.h"

#include <gtest/gtest.h>

#include "qeval/scorer/code_extract.h"
#include "scorer_testing.h"

namespace qeval {
namespace {

std::string error_of(const Json& steps) {
  auto chain = FilterChain::compile(pipeline_from("mine", steps), text_task());
  return chain ? "" : chain.error().message;
}

TEST(Filter, ErrorsNameFileFilterStepAndKey) {
  std::string message = error_of({{{"function", "take_first"}}, {{"function", "arg_max"}}});
  for (const char* part : {"tasks/a_task.yaml", "mine", "step 2", "arg_max"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_NE(error_of({{{"function", "regex"}, {"pattern", "x"}}}).find("unknown key 'pattern'"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "regex"}, {"regex_pattern", "("}}}).find("regex_pattern"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "regex"}, {"group_select", "last"}}}).find("group_select"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "take_first_k"}}}).find("k: expected"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "take_first_k"}, {"k", 2}}}).find("repeats"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "map"}, {"mapping_dict", 3}}}).find("mapping_dict"), std::string::npos);
  EXPECT_NE(error_of({{{"function", "custom"}, {"filter_fn", {{"!function", "utils.mine"}}}}}).find("'mine'"),
            std::string::npos);
}

TEST(Filter, OutOfRangeSelectionFindsNothing) {
  auto chain = FilterChain::compile(
      pipeline_from("f", {{{"function", "regex"}, {"regex_pattern", "\\d"}, {"group_select", 5}}}), text_task());
  ASSERT_TRUE(chain);
  Filtered out = chain->apply({"1 2"}, {});
  EXPECT_EQ(out.values[0], "[invalid]");
  EXPECT_TRUE(out.fallback);
}

TEST(Filter, CodeHooksBuildWhatTheirTasksScore) {
  Sample sample;
  sample.doc = {{"prompt", "def f():\n"}};
  auto run = [&](const char* hook, const char* task, const std::string& text) {
    TaskSpec spec = text_task();
    spec.name = task;
    auto chain = FilterChain::compile(
        pipeline_from("f", {{{"function", "custom"}, {"filter_fn", {{"!function", hook}}}}}), spec);
    return chain ? chain->apply({text}, sample).values[0].get<std::string>() : chain.error().message;
  };
  EXPECT_EQ(run("utils.build_predictions", "humaneval", "  return 1"), "def f():\n  return 1");
  EXPECT_EQ(run("utils.build_predictions_instruct", "humaneval_instruct", "  return 1\n```\nDone."),
            "def f():\n  return 1\n");
  EXPECT_EQ(run("utils.build_predictions", "mbpp_instruct", "\nx = 1\n```\nbye"), "x = 1");
  EXPECT_EQ(run("utils.extract_code_blocks", "other", "\nx = 1\n```\nbye"), "x = 1");
}

struct Block {
  const char* answer;
  const char* code;
};
class FirstFence : public testing::TestWithParam<Block> {};
TEST_P(FirstFence, TakesTheBlockThatThePrefixOpened) {
  EXPECT_EQ(extract_code(CodeExtract::first_fence, GetParam().answer), GetParam().code);
}
// All but the last two as lm-eval's pattern, run on "```" + answer.
INSTANTIATE_TEST_SUITE_P(Answers, FirstFence,
                         testing::Values(Block{"\ndef f():\n    return 1\n```\ntext", "def f():\n    return 1"},
                                         Block{"python\nx = 1\n```", "x = 1"},
                                         Block{"python\r\nx = 1\r\n```", "\r\nx = 1\r"}, Block{"\nx = 1", ""},
                                         Block{"", ""}, Block{"\n```", ""}, Block{"```", ""},
                                         Block{"```python\nx = 1\n```", ""}, Block{" \nx```", " \nx"},
                                         Block{"\nx``` y ```z```", "x"}, Block{"def f(): pass\n```", "def f(): pass"},
                                         Block{"x```", "x"}));

TEST(HiddenPrograms, AreFoundInFencesAndBetweenChatText) {
  EXPECT_EQ(hidden_programs("Sure!\n```python\nx = 1\n```\nHope it helps")[0], "x = 1\n");
  EXPECT_EQ(hidden_programs("Sure!\n```python\nx = 1\n")[0], "x = 1\n");
  EXPECT_EQ(hidden_programs("Here's the function:\n\ndef f(a):\n    return a\n\nThis returns a.")[0],
            "def f(a):\n    return a");
  EXPECT_TRUE(hidden_programs("def f(a):\n    return a").empty());
  EXPECT_TRUE(hidden_programs("").empty());
  EXPECT_TRUE(hidden_programs("``` ``` ```").empty());
}

// Quadratic work on these would take minutes.
TEST(Filter, HostileMegabytesAreLinear) {
  size_t n = size_t{2} << 20;
  std::string fences, digits(n, '7'), marks;
  while (fences.size() < n) fences += "```\n";
  while (marks.size() < n) marks += "The answer is \\boxed{";
  TaskSpec spec = gsm8k();
  auto scorer = make_scorer(spec, nullptr);
  ASSERT_TRUE(scorer);
  for (const std::string& text :
       {fences, digits, marks, std::string(n, ' '), std::string(n, '\xff'), std::string(n, '#')}) {
    std::vector<Score> scores = (*scorer)->score(text_sample("#### 12"), {answer(text)});
    ASSERT_EQ(scores.size(), 2u);
    EXPECT_NE(scores[0].failure_class, FailureClass::correct);
    hidden_programs(text);
    for (CodeExtract how : {CodeExtract::raw, CodeExtract::fence_cut, CodeExtract::first_fence})
      extract_code(how, text);
  }
}

}  // namespace
}  // namespace qeval
