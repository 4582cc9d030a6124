#include "qeval/scorer/user_turns_score.h"

#include <gtest/gtest.h>

#include "outside_testing.h"
#include "qeval/agent/user_turns.h"
#include "qeval/core/tool_call.h"
#include "qeval/scorer/scorer.h"

namespace qeval {
namespace {

using qeval::testing::EchoTools;

std::string call(const std::string& name) { return text_with_tool_calls("", {{"", name, R"({"x": 1})"}}); }

struct Played {
  Sample sample;
  std::vector<Response> responses;
};

Played play(const std::vector<std::string>& answers) {
  Played out;
  EchoTools tools;
  out.sample.doc = qeval::testing::user_turns_doc();
  out.sample.requests.push_back(agent::first_request(out.sample.doc, {}, Request{}));
  for (const std::string& text : answers) {
    Response response;
    response.finish = FinishReason::end_of_turn;
    response.text = text;
    out.responses.push_back(response);
    auto more = agent::next_requests(out.sample, out.responses, tools);
    out.sample.requests.insert(out.sample.requests.end(), more->begin(), more->end());
  }
  return out;
}

const std::vector<std::string> kWhole = {call("early"), "Done.", call("late"), "Done.", "Bye."};

OutsideVerdict wrong(const std::string& type, int turn) {
  OutsideVerdict out;
  out.error_type = "multi_turn:" + type;
  out.explanation = "because";
  out.turn = turn;
  return out;
}

double acc(const Score& score) { return score.metrics.empty() ? -1 : score.metrics[0].second; }

TEST(UserTurnsScore, TheCheckersWordIsTheVerdict) {
  struct Case {
    OutsideVerdict verdict;
    std::vector<std::string> answers;
    FailureClass expected;
  };
  OutsideVerdict right;
  right.valid = true;
  for (const Case& c : {Case{right, kWhole, FailureClass::correct}, Case{wrong("instance_state_mismatch", 0), kWhole, FailureClass::wrong_state},
                        Case{wrong("execution_response_mismatch", 1), kWhole, FailureClass::missing_answer},
                        Case{wrong("empty_turn_model_response", 0), {"", call("late"), "Done.", "Bye."}, FailureClass::no_call},
                        Case{wrong("empty_turn_model_response", 0), {"I cannot.", call("late"), "Done.", "Bye."}, FailureClass::prose},
                        Case{wrong("empty_turn_model_response", 0), {"<tool_call>\n{\"name\": \"e", "Hm.", "Bye."}, FailureClass::unterminated_string},
                        Case{wrong("instance_state_mismatch", 1), {call("early"), "Done.", call("late"), "<tool_call>\n{\"name\": \"l", "Bye."}, FailureClass::unterminated_string},
                        Case{wrong("something_new", 0), kWhole, FailureClass::wrong_answer}}) {
    EchoTools tools;
    tools.verdict = c.verdict;
    Played played = play(c.answers);
    Score score = score_user_turns(played.sample, played.responses, tools);
    EXPECT_EQ(score.failure_class, c.expected) << c.verdict.error_type << ": " << score.explanation;
    EXPECT_EQ(acc(score), c.expected == FailureClass::correct ? 1 : 0);
    if (!c.verdict.valid) {
      EXPECT_NE(score.explanation.find(c.verdict.turn == 0 ? "turn 1: because" : "turn 2: because"), std::string::npos);
    }
    EXPECT_EQ(tools.judged.size(), 3u);
  }
}

TEST(UserTurnsScore, CallsWhereNoneWereDueAreCounted) {
  EchoTools tools;
  tools.verdict.valid = true;
  Played played = play({call("early"), "Done.", call("late"), "Done.", call("early"), "Bye."});
  Score score = score_user_turns(played.sample, played.responses, tools);
  EXPECT_EQ(score.details["repeats"][0]["calls"], 3);
  EXPECT_EQ(score.details["repeats"][0]["calls_where_none_were_due"], 1);
  EXPECT_EQ(score.extracted, "early | late | early");
}

TEST(UserTurnsScore, EndsBeforeTheCheckerCanJudge) {
  EchoTools tools;
  tools.verdict.valid = true;
  Played endless = play(std::vector<std::string>(agent::kMaxStepsPerTurn + 1, call("early")));
  EXPECT_EQ(score_user_turns(endless.sample, endless.responses, tools).failure_class, FailureClass::step_limit);

  // In the last turn the package judges what was done.
  std::vector<std::string> answers = {call("early"), "Done.", call("late"), "Done."};
  answers.insert(answers.end(), agent::kMaxStepsPerTurn + 1, call("early"));
  Played late = play(answers);
  EXPECT_EQ(score_user_turns(late.sample, late.responses, tools).failure_class, FailureClass::correct);

  Played full = play({call("early")});
  full.responses[0].truncated_prompt = true;
  Score score = score_user_turns(full.sample, full.responses, tools);
  EXPECT_EQ(score.failure_class, FailureClass::truncated);
  EXPECT_EQ(acc(score), 0);
  full.responses[0].truncated_prompt = false;
  full.responses[0].finish = FinishReason::failed;
  full.responses[0].failure = EngineFailure::context_too_long;
  EXPECT_EQ(score_user_turns(full.sample, full.responses, tools).failure_class, FailureClass::truncated);

  Played hanging = play({call("early")});
  hanging.sample.requests.resize(1);
  tools.fault = CallFault{FailureClass::time_out, "hangs"};
  EXPECT_EQ(score_user_turns(hanging.sample, hanging.responses, tools).failure_class, FailureClass::time_out);
}

TEST(UserTurnsScore, WhatIsNotTheModelsDoingIsNoScore) {
  EchoTools tools;
  tools.broken = true;
  Played played = play(kWhole);
  Score score = score_user_turns(played.sample, played.responses, tools);
  EXPECT_EQ(score.failure_class, FailureClass::sandbox_failure);
  EXPECT_TRUE(score.metrics.empty());

  tools.broken = false;
  Played unfinished = play({call("early")});
  score = score_user_turns(unfinished.sample, unfinished.responses, tools);
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
  EXPECT_TRUE(score.metrics.empty());

  played.responses.back().finish = FinishReason::failed;
  played.responses.back().failure = EngineFailure::connection;
  EXPECT_EQ(score_user_turns(played.sample, played.responses, tools).failure_class, FailureClass::engine_failure);
}

TEST(UserTurnsScore, OneWrongRepeatIsTheDocumentsClass) {
  EchoTools tools;
  tools.verdict.valid = true;
  Played played = play(kWhole);
  Played second = play(std::vector<std::string>(agent::kMaxStepsPerTurn + 1, call("early")));
  for (size_t i = 0; i < second.responses.size(); ++i) {
    second.sample.requests[i].repeat = 1;
    played.sample.requests.push_back(second.sample.requests[i]);
    played.responses.push_back(second.responses[i]);
  }
  Score score = score_user_turns(played.sample, played.responses, tools);
  EXPECT_EQ(score.failure_class, FailureClass::step_limit);
  EXPECT_DOUBLE_EQ(acc(score), 0.5);
}

TEST(UserTurnsScore, MakingItsScorerNeedsTheTools) {
  TaskSpec spec;
  spec.name = "turns";
  spec.scoring.scorer = "user_turns";
  spec.scoring.metrics.push_back({"acc", "mean", true, Json::object()});
  EXPECT_FALSE(make_scorer(spec, nullptr).has_value());
  EchoTools tools;
  auto scorer = make_scorer(spec, nullptr, &tools);
  ASSERT_TRUE(scorer.has_value());
  EXPECT_EQ((*scorer)->backend(), "echo");
}

}  // namespace
}  // namespace qeval
