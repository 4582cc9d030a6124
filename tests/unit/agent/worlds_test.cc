#include <filesystem>
#include <fstream>

#include "agent_testing.h"
#include "qeval/text/yaml.h"
#include "qeval/util/file.h"

namespace qeval::agent {
namespace {

// Each case: a world, a state, and a list of calls with what they must answer; `state` at the end.
TEST(Worlds, AnswerAsTheCasesSay) {
  std::string file = std::string(QEVAL_SOURCE_DIR) + "/tests/cases/agent/worlds.yaml";
  auto text = read_file(file);
  ASSERT_TRUE(text.has_value());
  auto cases = parse_yaml(*text, file);
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  size_t n_calls = 0;
  for (const Json& one : *cases) {
    SCOPED_TRACE(json_string(one, "name"));
    const World* world = find_world(json_string(one, "world"));
    ASSERT_NE(world, nullptr);
    Json state = one["state"];
    for (const Json& step : one["calls"]) {
      SCOPED_TRACE(dump_json(step));
      Json before = state;
      CallOutcome outcome = call_tool(*world, json_string(step, "tool"), step.value("arguments", Json::object()), state);
      EXPECT_EQ(outcome.error_code, json_string(step, "error"));
      if (step.contains("reply")) {
        EXPECT_EQ(state_difference(step["reply"], outcome.reply), "") << dump_json(outcome.reply);
      }
      EXPECT_EQ(outcome.changed, canonical_json(before) != canonical_json(state));
      if (!outcome.ok()) {
        EXPECT_EQ(before, state) << "a failed call changes nothing";
      }
      ++n_calls;
    }
    if (one.contains("after")) {
      EXPECT_EQ(state_difference(one["after"], state), "");
    }
  }
  EXPECT_GE(n_calls, 100u);
}

TEST(Worlds, HaveTenToFifteenDocumentedTools) {
  ASSERT_EQ(worlds().size(), 4u);
  for (const World& world : worlds()) {
    EXPECT_GE(world.tools.size(), 10u) << world.name;
    EXPECT_LE(world.tools.size(), 15u) << world.name;
    EXPECT_FALSE(world.policy.empty());
    for (const Json& tool : tool_list(world)) {
      const Json& function = tool["function"];
      EXPECT_EQ(tool["type"], "function");
      EXPECT_FALSE(function["description"].get<std::string>().empty());
      EXPECT_EQ(function["parameters"]["type"], "object");
      for (const auto& [name, schema] : function["parameters"]["properties"].items()) EXPECT_TRUE(schema.contains("description")) << function["name"] << name;
    }
  }
}

// Every tool that is said to read only leaves every state alone, whatever it is asked.
TEST(Worlds, ReadingToolsChangeNothing) {
  for (const World& world : worlds()) {
    auto docs = generate_tasks(world.name, 13, 5);
    ASSERT_TRUE(docs.has_value());
    for (const Json& doc : *docs) {
      Episode episode(doc, {});
      Baseline random(BaselineKind::random, doc);
      for (int i = 0; i < 100; ++i) {
        ModelTurn turn = read_turn(random.answer(episode.tools()), episode.tools(), Protocol::native, false);
        for (const Call& one : turn.calls) {
          const Tool* tool = world.find(one.name);
          ASSERT_NE(tool, nullptr);
          if (tool->writes) continue;
          Json state = doc["state"];
          CallOutcome outcome = call_tool(world, one.name, one.arguments, state);
          EXPECT_EQ(state, doc["state"]) << one.name;
          EXPECT_FALSE(outcome.changed);
        }
      }
    }
  }
}

TEST(Worlds, HostileArgumentsAreRefusedByType) {
  const std::vector<Json> hostile = {nullptr, 1, "x", Json::array(), Json::object({{"path", 7}}), Json::object({{"path", nullptr}}),
                                     Json::object({{"path", std::string(3000000, 'a')}}), Json::object({{"path", "\xff\xfe"}}),
                                     Json::object({{"", ""}}), Json::object({{"path", "/../../etc"}}), Json::object({{"amount", 1e308}}),
                                     Json::object({{"date", "2026-02-30"}}), Json::object({{"to", Json::array({Json::array()})}})};
  for (const World& world : worlds()) {
    auto docs = generate_tasks(world.name, 1, 1);
    for (const Tool& tool : world.tools) {
      if (tool.parameters["required"].empty()) continue;
      for (const Json& arguments : hostile) {
        Json state = (*docs)[0]["state"];
        CallOutcome outcome = call_tool(world, tool.name, arguments, state);
        EXPECT_FALSE(outcome.ok() && outcome.changed) << tool.name << dump_json(arguments).substr(0, 100);
        EXPECT_LT(dump_json(outcome.reply).size(), 20000u);
      }
    }
  }
}

}  // namespace
}  // namespace qeval::agent
