#include "agent_testing.h"

namespace qeval::agent {
namespace {

Json small_doc() {
  return {{"id", "t"}, {"world", "files"}, {"template", "t"}, {"kind", "regular"},
          {"state", {{"files", {{"/a.txt", "one\n"}, {"/b.txt", "two\n"}}}, {"folders", {{"/", true}}}}},
          {"user", {{{"say", "Delete it."}, {"answers", {{{"about", {"which"}}, {"say", "The a."}}}}, {"nudge", "Yes."}}, {{"say", "Thanks."}}}},
          {"hidden_tools", {"copy_file"}},
          {"faults", {{{"tool", "delete_file"}, {"calls", {1}}, {"code", "unavailable"}, {"message", "busy"}}}},
          {"ask_first", false}, {"accepted", {{{{"op", "remove"}, {"path", "/files/~1a.txt"}}}}}, {"forbidden", Json::array()},
          {"required", Json::array()}, {"gold", {{{"calls", {{{"name", "delete_file"}, {"arguments", {{"path", "/a.txt"}}}}}}}}}, {"max_steps", 8}};
}
std::string last(const Episode& episode) { return episode.messages().back().content; }

TEST(Episode, TheScriptedUserAnswersNudgesAndGoesOn) {
  Json doc = small_doc();
  Episode episode(doc, {});
  EXPECT_EQ(last(episode), "Delete it.");
  episode.take(say("WHICH one?"));
  EXPECT_EQ(last(episode), "The a.");
  episode.take(say("Which?"));  // answered already: a nudge
  EXPECT_EQ(last(episode), "Yes.");
  episode.take(say("Really?"));  // nudged already: the next turn
  EXPECT_EQ(last(episode), "Thanks.");
  episode.take(say("Bye."));
  EXPECT_TRUE(episode.finished());
  EXPECT_EQ(episode.log().end, End::conversation_over);
  EXPECT_EQ(judge(doc, episode.log()).failure_class, FailureClass::no_call);
}

TEST(Episode, CallsAreAnsweredByToolMessages) {
  Json doc = small_doc();
  Episode episode(doc, {});
  episode.take(call("delete_file", {{"path", "/a.txt"}}));
  EXPECT_EQ(episode.messages().back().role, "tool");
  EXPECT_EQ(last(episode), R"({"error":{"code":"unavailable","message":"busy"}})");
  const Message& assistant = episode.messages()[episode.messages().size() - 2];
  EXPECT_EQ(assistant.role, "assistant");
  EXPECT_EQ(assistant.extra["tool_calls"][0]["id"], episode.messages().back().extra["tool_call_id"]);
  EXPECT_EQ(assistant.extra["tool_calls"][0]["function"]["arguments"]["path"], "/a.txt");
  episode.take(call("delete_file", {{"path", "/a.txt"}}));
  EXPECT_EQ(last(episode), R"({"path":"/a.txt","done":"deleted"})");
  episode.take(say("Done."));
  episode.take(say("Bye."));
  Verdict verdict = judge(doc, episode.log());
  EXPECT_TRUE(verdict.success) << verdict.explanation;
  EXPECT_EQ(verdict.n_calls, 2);
  EXPECT_EQ(verdict.n_invalid_calls, 0);  // a fault is not the model's
}

TEST(Episode, HiddenToolsAreNeitherShownNorRun) {
  Json doc = small_doc();
  Episode episode(doc, {});
  for (const Json& tool : episode.tools()) EXPECT_NE(tool["function"]["name"], "copy_file");
  EXPECT_EQ(episode.tools().size(), worlds()[0].tools.size() - 1);
  episode.take(call("copy_file", {{"from", "/a.txt"}, {"to", "/c.txt"}}));
  EXPECT_EQ(episode.log().calls[0].error_code, "unknown_tool");
  EXPECT_EQ(judge(doc, episode.log()).n_invalid_calls, 1);
}

TEST(Episode, InvalidCallsEndItAfterTheRetries) {
  Json doc = small_doc();
  Workflow workflow;
  workflow.invalid_retries = 2;
  Episode episode(doc, workflow);
  episode.take(call("nothing", Json::object()));
  episode.take(call("read_file", {{"path", "/a.txt"}}));  // a good one in between starts the count again
  for (int i = 0; i < 2; ++i) {
    episode.take(read_turn("<tool_call>\n{\"name\": \"read_file\", ", episode.tools(), Protocol::native, false));
    ASSERT_FALSE(episode.finished());
    EXPECT_NE(last(episode).find("invalid_call"), std::string::npos);
  }
  episode.take(call("read_file", {{"path", 7}}));
  EXPECT_EQ(episode.log().end, End::invalid_calls);
  Verdict verdict = judge(doc, episode.log());
  EXPECT_EQ(verdict.failure_class, FailureClass::invalid_calls);
  EXPECT_EQ(verdict.n_invalid_calls, 4);
  EXPECT_EQ(verdict.n_calls, 5);
}

TEST(Episode, TheBudgetEndsIt) {
  Json doc = small_doc();
  Episode episode(doc, {});
  for (int i = 0; i < 8; ++i) episode.take(call("read_file", {{"path", "/a.txt"}}));
  EXPECT_EQ(episode.log().end, End::step_limit);
  EXPECT_EQ(judge(doc, episode.log()).failure_class, FailureClass::step_limit);
  Workflow one;
  one.max_steps = 1;
  Episode shorter(doc, one);
  shorter.take(call("read_file", {{"path", "/a.txt"}}));
  EXPECT_TRUE(shorter.finished());
}

TEST(Episode, CutAnswersAndOpenThinkingAreClassed) {
  Json doc = small_doc();
  Episode cut(doc, {});
  cut.take(read_turn("I will now", cut.tools(), Protocol::native, true));
  EXPECT_EQ(judge(doc, cut.log()).failure_class, FailureClass::truncated);
  Episode thinking(doc, {});
  ModelTurn open;
  open.unfinished_thinking = true;
  thinking.take(open);
  EXPECT_EQ(judge(doc, thinking.log()).failure_class, FailureClass::unfinished_thinking);
}

TEST(Episode, NeedlessWritesAreCounted) {
  Json doc = small_doc();
  doc["faults"] = Json::array();
  Episode episode(doc, {});
  episode.take(call("write_file", {{"path", "/c.txt"}, {"content", "x"}}));
  episode.take(call("delete_file", {{"path", "/c.txt"}}));
  episode.take(call("delete_file", {{"path", "/a.txt"}}));
  episode.take(say("Done."));
  episode.take(say("Bye."));
  Verdict verdict = judge(doc, episode.log());
  EXPECT_TRUE(verdict.success);
  EXPECT_EQ(verdict.n_needless_writes, 2);
}

TEST(Episode, HugeAndBrokenTextCostsLittle) {
  Json doc = small_doc();
  const std::string deep(10000, '['), huge(10 << 20, 'x');
  for (const std::string& text : {deep, huge, "<tool_call>" + deep, "<tool_call>" + huge, std::string("\xff\xfe\x00", 3), "<tool_call>{\"name\": \"" + huge}) {
    Episode episode(doc, {});
    episode.take(read_turn(text, episode.tools(), Protocol::native, false));
    size_t bytes = 0;
    for (const Message& message : episode.messages()) bytes += message.content.size();
    EXPECT_LT(bytes, 20000u);
    (void)judge(doc, episode.log());
  }
}

TEST(Says, NumbersAndWordsStandAlone) {
  EXPECT_TRUE(says("It has 42 lines.", "42"));
  EXPECT_TRUE(says("42", "42"));
  EXPECT_TRUE(says("It is 42.", "42"));
  EXPECT_TRUE(says("O-42, and", "42"));
  EXPECT_FALSE(says("It has 142 lines.", "42"));
  EXPECT_FALSE(says("It has 42.5 lines.", "42"));
  EXPECT_FALSE(says("It has 1,42 lines.", "42"));
  EXPECT_FALSE(says("It is -42.", "42"));
  EXPECT_TRUE(says("I CAN\xE2\x80\x99T do it", "can't"));
  EXPECT_FALSE(says("cannery", "can"));
  EXPECT_TRUE(says("see /notes/todo.txt.", "/notes/todo.txt"));
}

TEST(StateDifference, NamesTheFirstPlace) {
  Json one = {{"a", 1}, {"b", {{"c", "x"}}}}, same = {{"b", {{"c", "x"}}}, {"a", 1}};
  EXPECT_EQ(state_difference(one, same), "");
  EXPECT_EQ(state_difference(one, {{"a", 1}, {"b", {{"c", "y"}}}}), "/b/c: 'x' was expected, not 'y'");
  EXPECT_EQ(state_difference({{"a", {{"$any", true}}}}, {{"a", 5}}), "");
  EXPECT_EQ(state_difference({{"a", {{"$contains", {"5"}}}}}, {{"a", "we take 5 lamps"}}), "");
  EXPECT_NE(state_difference({{"a", {{"$contains", {"5"}}}}}, {{"a", "we take 50 lamps"}}), "");
  EXPECT_NE(state_difference({{"a", 1}}, {{"a", "1"}}), "");
  EXPECT_NE(state_difference(Json::object(), {{"a", 1}}), "");
  EXPECT_NE(state_difference(Json::array({1, 2}), Json::array({2, 1})), "");
}

}  // namespace
}  // namespace qeval::agent
