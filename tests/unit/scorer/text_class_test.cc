#include <gtest/gtest.h>

#include "scorer_testing.h"

namespace qeval {
namespace {

std::vector<Score> scores_of(const TaskSpec& spec, const Sample& sample, const Response& response) {
  auto scorer = make_scorer(spec, nullptr);
  EXPECT_TRUE(scorer) << scorer.error().message;
  return (*scorer)->score(sample, {response});
}

// One answer to a gsm8k doc whose gold is 1234: class under strict-match and under flexible-extract.
struct MathCase {
  const char* name;
  const char* text;
  FailureClass strict, flexible;
  FinishReason finish = FinishReason::end_of_turn;
};
void PrintTo(const MathCase& c, std::ostream* out) { *out << c.name; }
class MathClasses : public testing::TestWithParam<MathCase> {};

TEST_P(MathClasses, UnderBothFilters) {
  const MathCase& c = GetParam();
  std::vector<Score> scores = scores_of(gsm8k(), text_sample("617 * 2 = 1,234\n#### 1,234"), answer(c.text, c.finish));
  EXPECT_STREQ(to_string(scores[0].failure_class), to_string(c.strict)) << scores[0].explanation;
  EXPECT_STREQ(to_string(scores[1].failure_class), to_string(c.flexible)) << scores[1].explanation;
  for (const Score& score : scores)
    EXPECT_EQ(metric_of(score, "exact_match") == 1, score.failure_class == FailureClass::correct);
}

using enum FailureClass;
INSTANTIATE_TEST_SUITE_P(
    Answers, MathClasses,
    testing::Values(MathCase{"strict", "x\n#### 1234", correct, correct},
                    MathCase{"separators", "#### $1,234", wrong_format, correct},
                    MathCase{"marker_only", "The answer is 1,234.", wrong_format, correct},
                    MathCase{"boxed", "So \\boxed{1234} eggs, as 2 of them show.", wrong_format, wrong_format},
                    MathCase{"decimals", "#### 1234.00", wrong_format, wrong_format},
                    MathCase{"units_after", "The answer is 1234 eggs. I used 3 steps.", wrong_format, wrong_format},
                    MathCase{"last_number", "In all she has 1234", wrong_format, correct},
                    MathCase{"wrong", "#### 99", wrong_answer, wrong_answer},
                    MathCase{"wrong_marked", "The answer is 99.", no_answer, wrong_answer},
                    MathCase{"strict_wrong_then_right", "#### 99\nThat is 1234 in total?", wrong_answer, correct},
                    MathCase{"no_number", "I would add them up.", no_answer, no_answer},
                    MathCase{"cut", "First she has 12 and then", truncated, truncated, FinishReason::length},
                    MathCase{"cut_after_marked", "The answer is 1234. Then also 7", wrong_format, wrong_format,
                             FinishReason::length},
                    MathCase{"cut_on_a_number", "So 617 times 2 is 1234", truncated, correct, FinishReason::length},
                    MathCase{"stopped", "She first takes the", stopped_mid_answer, stopped_mid_answer,
                             FinishReason::stop_string},
                    MathCase{"stopped_at_once", "", stopped_mid_answer, stopped_mid_answer, FinishReason::stop_string},
                    MathCase{"empty", "", empty_or_refusal, empty_or_refusal},
                    MathCase{"blank", " \n\n ", empty_or_refusal, empty_or_refusal},
                    MathCase{"empty_by_length", "", truncated, truncated, FinishReason::length},
                    MathCase{"refusal", "I’m sorry, but I can’t help with that.", empty_or_refusal, empty_or_refusal},
                    MathCase{"sorry_but_answers", "I'm sorry, the answer is 99.", no_answer, wrong_answer}),
    [](const auto& param) { return param.param.name; });

// A chat task that wants the letter alone, with the choices in the doc.
struct LetterCase {
  const char* name;
  const char* text;
  FailureClass expected;
};
void PrintTo(const LetterCase& c, std::ostream* out) { *out << c.name; }
class LetterClasses : public testing::TestWithParam<LetterCase> {};

TEST_P(LetterClasses, WholeTextProtocol) {
  TaskSpec spec = text_task(
      {pipeline_from("remove_whitespace", {{{"function", "remove_whitespace"}}, {{"function", "take_first"}}})},
      {{"ignore_case", true}, {"ignore_punctuation", true}});
  Sample sample = text_sample("B");
  sample.doc = {
      {"choices",
       {{"text", {"Planetary density will decrease.", "Planetary days will become shorter.", "Days get longer."}},
        {"label", {"A", "B", "C"}}}}};
  Score score = scores_of(spec, sample, answer(GetParam().text))[0];
  EXPECT_STREQ(to_string(score.failure_class), to_string(GetParam().expected)) << score.explanation;
}

INSTANTIATE_TEST_SUITE_P(
    Answers, LetterClasses,
    testing::Values(
        LetterCase{"letter", " B", correct}, LetterCase{"brackets", "(b).", correct},
        LetterCase{"sentence", "The answer is (B).", wrong_format},
        LetterCase{"bold", "The best answer is **B**, since days shrink.", wrong_format},
        LetterCase{"option", "Answer: Option B", wrong_format}, LetterCase{"boxed", "\\boxed{\\text{B}}", wrong_format},
        LetterCase{"with_text", "B. Planetary days will become shorter.", wrong_format},
        LetterCase{"prose", "Since it spins faster, planetary days will become shorter.", wrong_format},
        LetterCase{"prose_of_another", "Because of that the planetary density will decrease.", wrong_answer},
        LetterCase{"other_letter", "The answer is (C).", wrong_answer}, LetterCase{"letter_c", "C", wrong_answer},
        LetterCase{"two_choices_named", "Either planetary days will become shorter or days get longer.", no_answer},
        LetterCase{"no_choice", "The impact is a rare event that astronomers like.", no_answer},
        LetterCase{"refusal", "As an AI, I have no telescope.", empty_or_refusal}),
    [](const auto& param) { return param.param.name; });

TEST(Thinking, IsStrippedBeforeStopStringsAndFilters) {
  TaskSpec spec = gsm8k();
  spec.scoring.think_end_token = "</think>";
  spec.scoring.until = {"Question:"};
  Sample sample = text_sample("#### 5");
  // The stop string inside the reasoning does not count.
  Score score = scores_of(spec, sample, answer("<think>Question: 5? #### 9</think>\n\n#### 5\nQuestion: #### 8"))[0];
  EXPECT_EQ(score.failure_class, correct);
  EXPECT_EQ(score.extracted, "5");
}

TEST(Thinking, WithoutItsEndIsUnfinished) {
  TaskSpec spec = gsm8k();
  spec.scoring.think_end_token = "</think>";
  Sample sample = text_sample("#### 5");
  EXPECT_EQ(scores_of(spec, sample, answer("<think>well, 9", FinishReason::length))[0].failure_class,
            unfinished_thinking);
  EXPECT_EQ(scores_of(spec, sample, answer("well, 9", FinishReason::length))[0].failure_class, unfinished_thinking);
  EXPECT_EQ(scores_of(spec, sample, answer("well, 9"))[0].failure_class, no_answer);
  EXPECT_EQ(scores_of(gsm8k(), sample, answer("<think>well, 9"))[0].failure_class, unfinished_thinking);
  EXPECT_EQ(scores_of(gsm8k(), sample, answer("well, 9", FinishReason::length))[0].failure_class, truncated);
  sample.requests[0].prompt = ChatPrompt{{}, {}, false, false};
  EXPECT_EQ(scores_of(spec, sample, answer("well, 9", FinishReason::length))[0].failure_class, truncated);
  sample.requests[0].prompt = std::string("<|im_start|>assistant\n<think>\n");
  EXPECT_EQ(scores_of(gsm8k(), sample, answer("well, 9", FinishReason::length))[0].failure_class, unfinished_thinking);
}

TEST(ExactMatchScore, AnyOfSeveralTargetsCounts) {
  Sample sample = text_sample("x");
  sample.references = {"Paris", "City of Light"};
  EXPECT_EQ(scores_of(text_task(), sample, answer("City of Light"))[0].failure_class, correct);
  EXPECT_EQ(scores_of(text_task(), sample, answer("The answer is city of light."))[0].failure_class, wrong_format);
  EXPECT_EQ(scores_of(text_task(), sample, answer("London"))[0].failure_class, wrong_answer);
}

TEST(ExactMatchScore, MajorityOfRepeatsIsScored) {
  TaskSpec spec = text_task({pipeline_from("maj", {{{"function", "majority_vote"}}, {{"function", "take_first"}}})});
  spec.repeats = 3;
  Sample sample = text_sample("2");
  sample.requests.resize(3);
  auto scorer = make_scorer(spec, nullptr);
  Score score = (*scorer)->score(sample, {answer("1"), answer("2"), answer("2")})[0];
  EXPECT_EQ(score.failure_class, correct);
  EXPECT_EQ(score.extracted, "2");
}

TEST(ExactMatchScore, InvalidUtf8IsReadAsReplacementCharacters) {
  Score score = scores_of(text_task(), text_sample("a\uFFFDb"),
                          answer("a\xff"
                                 "b"))[0];
  EXPECT_EQ(score.failure_class, correct);
}

}  // namespace
}  // namespace qeval
