#include "qeval/agent/user_turns.h"

#include <gtest/gtest.h>

#include "outside_testing.h"
#include "qeval/core/tool_call.h"

namespace qeval::agent {
namespace {

using qeval::testing::EchoTools;
using qeval::testing::user_turns_doc;
using End = UserTurnsLog::End;

// The runner's part: a conversation whose answers the test gives.
struct Talk {
  explicit Talk(ToolMode mode, std::optional<bool> thinking = std::nullopt) {
    sample.doc = user_turns_doc();
    sample.requests.push_back(first_request(sample.doc, {mode, "", thinking}, Request{}));
  }
  // False: nothing more is asked.
  bool answer(const std::string& text, FinishReason finish = FinishReason::end_of_turn) {
    Response response;
    response.finish = finish;
    response.text = text;
    responses.push_back(response);
    auto more = next_requests(sample, responses, tools);
    EXPECT_TRUE(more.has_value());
    sample.requests.insert(sample.requests.end(), more->begin(), more->end());
    return !more->empty();
  }
  const ChatPrompt& chat() const { return std::get<ChatPrompt>(sample.requests.back().prompt); }
  const Message& last() const { return chat().messages.back(); }
  UserTurnsLog log() const { return read_user_turns(sample, responses, 0); }

  Sample sample;
  std::vector<Response> responses;
  EchoTools tools;
};

std::string call(const std::string& name, int x) { return text_with_tool_calls("", {{"", name, dump_json({{"x", x}})}}); }

TEST(UserTurns, CallsAreCarriedOutUntilAnAnswerHasNone) {
  Talk talk(ToolMode::native);
  EXPECT_EQ(talk.last().content, "Begin.");
  EXPECT_EQ(talk.chat().tools.size(), 1u);
  ASSERT_TRUE(talk.answer("I try.\n" + call("early", 1) + "\n" + call("early", 2)));
  const auto& messages = talk.chat().messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1].role, "assistant");
  EXPECT_EQ(messages[1].content, "I try.");
  EXPECT_EQ(messages[1].extra["tool_calls"][1]["id"], "call_2");
  EXPECT_EQ(messages[1].extra["tool_calls"][1]["function"]["arguments"], Json({{"x", 2}}));
  EXPECT_EQ(messages[2].content, R"(early {"x":1})");
  EXPECT_EQ(messages[3].role, "tool");
  EXPECT_EQ(messages[3].extra["tool_call_id"], "call_2");
  ASSERT_TRUE(talk.answer(call("early", 3)));
  EXPECT_EQ(talk.last().extra["tool_call_id"], "call_3");
  ASSERT_TRUE(talk.answer("Done."));
  EXPECT_EQ(talk.last().content, "I have updated some more functions you can choose from. What about now?");
  EXPECT_EQ(talk.chat().tools.size(), 2u);
  ASSERT_TRUE(talk.answer(call("late", 4)));
  ASSERT_TRUE(talk.answer(""));
  EXPECT_EQ(talk.last().content, "Go on.");
  EXPECT_FALSE(talk.answer("Bye."));
  UserTurnsLog log = talk.log();
  EXPECT_EQ(log.end, End::over);
  ASSERT_EQ(log.turns.size(), 3u);
  EXPECT_EQ(log.turns[0], Json::parse(R"([[{"name":"early","arguments":{"x":1}},{"name":"early","arguments":{"x":2}}],[{"name":"early","arguments":{"x":3}}]])"));
  EXPECT_TRUE(log.turns[2].empty());
  ASSERT_EQ(log.ends.size(), 3u);
  EXPECT_EQ(log.ends[0].failure_class, FailureClass::prose);
  EXPECT_EQ(log.ends[1].failure_class, FailureClass::no_call);
}

TEST(UserTurns, ArgumentsOfAFunctionThatCameLaterAreReadByItsTypes) {
  Talk talk(ToolMode::native);
  ASSERT_TRUE(talk.answer("Done."));
  ASSERT_TRUE(talk.answer("<tool_call>\n<function=late>\n<parameter=x>\n4\n</parameter>\n</function>\n</tool_call>"));
  EXPECT_EQ(talk.log().turns[1], Json::parse(R"([[{"name":"late","arguments":{"x":4}}]])"));
  EXPECT_EQ(talk.last().content, R"(late {"x":4})");
}

TEST(UserTurns, PromptModeSpeaksAsTheBenchmarkDoes) {
  Talk talk(ToolMode::prompt);
  EXPECT_EQ(talk.chat().messages[0].role, "system");
  EXPECT_TRUE(talk.chat().tools.is_null());
  ASSERT_TRUE(talk.answer("[early(x=1), early()]"));
  EXPECT_EQ(talk.chat().messages[2].content, "[early(x=1), early()]");
  EXPECT_TRUE(talk.chat().messages[2].extra.is_null());
  EXPECT_EQ(talk.chat().messages[3].extra["name"], "early(x=1)");
  EXPECT_EQ(talk.last().content, "early {}");
  ASSERT_TRUE(talk.answer("early(x=1) would do"));
  EXPECT_EQ(talk.last().content.substr(0, 40), "[{'name': 'late', 'description': 'd', 'p");
  EXPECT_TRUE(talk.last().content.ends_with("]\nI have updated some more functions you can choose from. What about now?"));
}

TEST(UserTurns, ConstrainedSchemasGrowWithTheFunctions) {
  Talk talk(ToolMode::constrained);
  EXPECT_EQ(talk.sample.requests.back().json_schema.find("late"), std::string::npos);
  ASSERT_TRUE(talk.answer(R"([{"name": "early", "arguments": {"x": 1}}])"));
  EXPECT_EQ(talk.last().content, R"(early {"x":1})");
  ASSERT_TRUE(talk.answer("[]"));
  EXPECT_NE(talk.sample.requests.back().json_schema.find("late"), std::string::npos);
  EXPECT_NE(talk.last().content.find("\"late\""), std::string::npos);
  EXPECT_EQ(talk.log().ends[0].failure_class, FailureClass::no_call);
}

TEST(UserTurns, TheStepBehindTheLimitEndsTheConversation) {
  Talk talk(ToolMode::native);
  for (int i = 0; i < kMaxStepsPerTurn; ++i) ASSERT_TRUE(talk.answer(call("early", i))) << i;
  EXPECT_EQ(talk.log().end, End::running);
  EXPECT_FALSE(talk.answer(call("early", 99)));
  EXPECT_EQ(talk.log().end, End::step_limit);
  EXPECT_EQ(talk.log().turns.size(), 1u);
}

TEST(UserTurns, WhatEndedATurnIsKept) {
  struct Case {
    std::string text;
    FinishReason finish;
    FailureClass expected;
  };
  for (const Case& c : {Case{"<tool_call>\n{\"name\": \"ear", FinishReason::end_of_turn, FailureClass::unterminated_string},
                        Case{"<tool_call>\n{\"name\": \"ear", FinishReason::length, FailureClass::truncated},
                        Case{"<think>so", FinishReason::length, FailureClass::unfinished_thinking},
                        Case{std::string(70000, 'x'), FinishReason::end_of_turn, FailureClass::prose},
                        Case{"\xff\xfe", FinishReason::end_of_turn, FailureClass::prose}}) {
    Talk talk(ToolMode::native);
    EXPECT_TRUE(talk.answer(c.text, c.finish));
    EXPECT_EQ(talk.log().ends[0].failure_class, c.expected) << c.text.substr(0, 20);
    EXPECT_EQ(talk.tools.n_carried_out, 0);
  }
}

TEST(UserTurns, ReasoningHoldsNoCallsAndIsHandedBack) {
  Talk talk(ToolMode::native, true);
  ASSERT_TRUE(talk.answer("<think>" + call("early", 1) + "</think>" + call("early", 2)));
  EXPECT_EQ(talk.log().turns[0], Json::parse(R"([[{"name":"early","arguments":{"x":2}}]])"));
  const Message& assistant = talk.chat().messages[1];
  EXPECT_EQ(assistant.extra["tool_calls"].size(), 1u);
  EXPECT_NE(assistant.extra["reasoning_content"].get<std::string>().find("early"), std::string::npos);
}

TEST(UserTurns, RepeatsGoTheirOwnWays) {
  Talk talk(ToolMode::native);
  Request second = talk.sample.requests[0];
  second.repeat = 1;
  talk.sample.requests.push_back(second);
  Response calls, words;
  calls.finish = words.finish = FinishReason::end_of_turn;
  calls.text = call("early", 1);
  words.text = "No.";
  talk.responses = {calls, words};
  auto more = next_requests(talk.sample, talk.responses, talk.tools);
  ASSERT_TRUE(more.has_value());
  ASSERT_EQ(more->size(), 2u);
  EXPECT_EQ((*more)[0].repeat, 0);
  EXPECT_EQ(std::get<ChatPrompt>((*more)[0].prompt).messages.back().role, "tool");
  EXPECT_EQ(std::get<ChatPrompt>((*more)[1].prompt).messages.back().role, "user");
}

TEST(UserTurns, ContextThatIsFullAndCallsWithoutAnEndAskNothingMore) {
  Talk full(ToolMode::native);
  Response cut;
  cut.finish = FinishReason::end_of_turn;
  cut.text = call("early", 1);
  cut.truncated_prompt = true;
  full.responses = {cut};
  EXPECT_TRUE(next_requests(full.sample, full.responses, full.tools)->empty());
  EXPECT_EQ(full.log().end, End::context_full);

  Talk hanging(ToolMode::native);
  hanging.tools.fault = CallFault{FailureClass::time_out, "hangs"};
  EXPECT_FALSE(hanging.answer(call("early", 1)));
  EXPECT_EQ(hanging.log().end, End::running);

  Talk broken(ToolMode::native);
  broken.tools.broken = true;
  broken.responses = hanging.responses;
  auto more = next_requests(broken.sample, broken.responses, broken.tools);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().kind, ErrorKind::environment);
}

TEST(UserTurns, DocumentsAreChecked) {
  EXPECT_TRUE(check_user_turns(user_turns_doc()).has_value());
  for (const char* field : {"turns", "tools", "ground_truth", "involved_classes", "initial_config", "id"}) {
    Json doc = user_turns_doc();
    doc.erase(field);
    auto checked = check_user_turns(doc);
    ASSERT_FALSE(checked.has_value()) << field;
    EXPECT_NE(checked.error().message.find(field), std::string::npos);
  }
  Json doc = user_turns_doc();
  doc["ground_truth"].erase(0);
  EXPECT_FALSE(check_user_turns(doc).has_value());
}

}  // namespace
}  // namespace qeval::agent
