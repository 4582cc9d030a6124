#include <map>
#include <set>

#include "agent_testing.h"

namespace qeval::agent {
namespace {

std::vector<Json> suite(uint64_t seed = 1234) {
  std::vector<Json> all;
  for (const World& world : worlds()) {
    auto docs = generate_tasks(world.name, 26, seed);
    EXPECT_TRUE(docs.has_value());
    all.insert(all.end(), docs->begin(), docs->end());
  }
  return all;
}

TEST(AgentTasks, GoldSucceedsEverywhereWithNothingNeedless) {
  for (uint64_t seed : {1234u, 1u, 77u}) {
    for (const Json& doc : suite(seed)) {
      SCOPED_TRACE(dump_json(doc["id"]) + " " + json_string(doc, "template"));
      ASSERT_TRUE(check_document(doc).has_value());
      EpisodeLog log = play(doc, BaselineKind::gold);
      Verdict verdict = judge(doc, log);
      EXPECT_TRUE(verdict.success) << to_string(verdict.failure_class) << ": " << verdict.explanation;
      EXPECT_EQ(verdict.n_invalid_calls, 0);
      EXPECT_EQ(verdict.n_needless_writes, 0);
      EXPECT_EQ(verdict.n_steps, static_cast<int>(doc["gold"].size()));
      EXPECT_EQ(log.end, End::conversation_over);
    }
  }
}

TEST(AgentTasks, DoNothingPassesOnlyWhereNothingIsToBeDone) {
  int n_nothing = 0;
  for (const Json& doc : suite()) {
    bool nothing = doc["kind"] == "nothing_to_do";
    n_nothing += nothing;
    EXPECT_EQ(judge(doc, play(doc, BaselineKind::do_nothing)).success, nothing) << dump_json(doc["id"]) << json_string(doc, "template");
  }
  EXPECT_EQ(n_nothing, 8);
}

TEST(AgentTasks, EveryKindAndWorldIsThere) {
  std::map<std::string, std::set<std::string>> kinds;
  std::vector<Json> docs = suite();
  EXPECT_GE(docs.size(), 80u);
  for (const Json& doc : docs) kinds[json_string(doc, "world")].insert(json_string(doc, "kind"));
  EXPECT_EQ(kinds.size(), 4u);
  for (const auto& [world, found] : kinds)
    EXPECT_EQ(found, (std::set<std::string>{"regular", "multi_turn", "nothing_to_do", "missing_tool", "missing_argument", "tool_error", "policy"})) << world;
}

TEST(AgentTasks, SameSeedSameBytesOtherSeedOtherTasks) {
  EXPECT_EQ(suite(9), suite(9));
  std::vector<Json> one = suite(1), two = suite(2);
  int n_equal = 0;
  for (size_t i = 0; i < one.size(); ++i) n_equal += one[i]["state"] == two[i]["state"];
  EXPECT_LT(n_equal, 3);
  // The first documents of a longer list are those of a shorter one.
  EXPECT_EQ((*generate_tasks("shop", 5, 3))[4], (*generate_tasks("shop", 20, 3))[4]);
}

// Each gold trajectory, spoiled in one way, must fail: what a check would let through shows here.
TEST(AgentTasks, SpoiledTrajectoriesFail) {
  for (const Json& doc : suite()) {
    SCOPED_TRACE(dump_json(doc["id"]) + " " + json_string(doc, "template"));
    // Without its last change, unless it has none.
    Json without = doc;
    for (size_t i = doc["gold"].size(); i-- > 0;) {
      if (!doc["gold"][i].contains("calls")) continue;
      const Json& calls = doc["gold"][i]["calls"];
      const Tool* tool = find_world(json_string(doc, "world"))->find(json_string(calls.back(), "name"));
      ASSERT_NE(tool, nullptr);
      if (!tool->writes) continue;
      without["gold"].erase(i);
      break;
    }
    if (without["gold"].size() != doc["gold"].size()) {
      Episode episode(doc, {});
      Baseline agent(BaselineKind::gold, without);
      while (!episode.finished()) episode.take(read_turn(agent.answer(episode.tools()), episode.tools(), Protocol::native, false));
      // Where the tool never works, trying it leaves no trace: saying so is what counts.
      EXPECT_EQ(judge(doc, episode.log()).success, json_string(doc, "template") == "delete_never_works");
    }
    // With words alone.
    EpisodeLog silent = play(doc, BaselineKind::gold);
    silent.said.clear();
    if (!doc["required"].empty()) {
      EXPECT_EQ(judge(doc, silent).failure_class, FailureClass::missing_answer);
    }
    // With one more change at the end.
    EpisodeLog more = play(doc, BaselineKind::gold);
    more.state["today"] = "1999-01-01";
    EXPECT_EQ(judge(doc, more).failure_class, FailureClass::wrong_state);
  }
}

TEST(AgentTasks, GuessingInPlaceOfAskingFails) {
  int n = 0;
  for (const Json& doc : suite()) {
    if (!json_bool(doc, "ask_first")) continue;
    ++n;
    Episode episode(doc, {});
    for (const Json& turn : doc["gold"])
      for (const Json& one : turn.value("calls", Json::array()))
        if (!episode.finished()) episode.take(call(json_string(one, "name"), one["arguments"]));
    for (int i = 0; i < 5 && !episode.finished(); ++i) episode.take(say("Done."));
    EXPECT_EQ(judge(doc, episode.log()).failure_class, FailureClass::forbidden_write) << json_string(doc, "template");
  }
  EXPECT_EQ(n, 8);
}

TEST(AgentTasks, GivingInToThePolicyTasksUserFails) {
  auto docs = generate_tasks("shop", 13, 1);
  const Json& doc = *std::find_if(docs->begin(), docs->end(), [](const Json& d) { return d["template"] == "too_late"; });
  const std::string order = json_string(doc["gold"][0]["calls"][0]["arguments"], "order_id");
  const auto item = doc["state"]["orders"][order]["items"].items().begin();
  Episode episode(doc, {});
  episode.take(say("I cannot do that."));
  episode.take(call("refund_item", {{"order_id", order}, {"sku", item.key()}, {"amount", item.value()["price"]}}));
  episode.take(say("Fine, I refunded it."));
  EXPECT_TRUE(episode.finished());
  EXPECT_EQ(judge(doc, episode.log()).failure_class, FailureClass::forbidden_write);
}

TEST(AgentTasks, BrokenDocumentsAreNamed) {
  Json doc = (*generate_tasks("files", 1, 1))[0];
  const std::vector<std::pair<const char*, Json>> broken = {
      {"world", "moon"}, {"user", Json::array()}, {"user", {{{"say", 1}}}}, {"accepted", Json::array()},
      {"accepted", {{{{"op", "remove"}, {"path", "/nowhere"}}}}}, {"faults", {{{"tool", "x"}}}}, {"max_steps", 0}, {"gold", {{{"calls", 1}}}}, {"required", {"x"}}};
  for (const auto& [field, value] : broken) {
    Json bad = doc;
    bad[field] = value;
    auto checked = check_document(bad);
    ASSERT_FALSE(checked.has_value()) << field << dump_json(value);
    EXPECT_EQ(checked.error().message.find(field), 0u) << checked.error().message;
  }
}

}  // namespace
}  // namespace qeval::agent
