#include "qeval/scorer/agent_score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qeval/agent/baseline.h"
#include "qeval/agent/conversation.h"
#include "qeval/agent/tasks.h"
#include "qeval/scorer/scorer.h"

namespace qeval {
namespace {

TaskSpec agent_spec(int repeats) {
  TaskSpec spec;
  spec.name = "agents";
  spec.repeats = repeats;
  spec.scoring.scorer = "agent";
  for (const char* name : {"success", "pass^k", "invalid_call_rate", "needless_writes", "steps", "tokens_per_solved", "seconds_per_solved"})
    spec.scoring.metrics.push_back({name, "", true, Json::object()});
  return spec;
}

// A sample with one conversation per entry, all played to their end as the runner does.
struct Played {
  Sample sample;
  std::vector<Response> responses;
};
Played play(const std::string& world, size_t index, const std::vector<agent::BaselineKind>& kinds) {
  Played out;
  out.sample.doc = (*agent::generate_tasks(world, 13, 1234))[index];
  EXPECT_TRUE(agent::prepare_document(out.sample.doc, {}, {}).has_value());
  std::vector<agent::Baseline> agents;
  for (size_t i = 0; i < kinds.size(); ++i) {
    agents.emplace_back(kinds[i], out.sample.doc);
    Request like;
    like.repeat = static_cast<int>(i);
    out.sample.requests.push_back(agent::opening_request(out.sample.doc, like, std::nullopt));
  }
  while (true) {
    for (size_t i = out.responses.size(); i < out.sample.requests.size(); ++i) {
      Response response;
      response.finish = FinishReason::end_of_turn;
      response.text = agents[static_cast<size_t>(out.sample.requests[i].repeat)].answer(std::get<ChatPrompt>(out.sample.requests[i].prompt).tools);
      response.n_prompt_tokens = 100;
      response.n_new_tokens = 10;
      response.total_s = 0.5;
      out.responses.push_back(std::move(response));
    }
    std::vector<Request> next = agent::follow_up(out.sample, out.responses);
    if (next.empty()) return out;
    out.sample.requests.insert(out.sample.requests.end(), next.begin(), next.end());
  }
}

double value(const Score& score, const std::string& name) {
  for (const auto& [metric, v] : score.metrics)
    if (metric == name) return v;
  ADD_FAILURE() << name << " is missing";
  return -1;
}

TEST(AgentScore, RepeatsAreCountedApart) {
  using agent::BaselineKind;
  auto scorer = make_scorer(agent_spec(4), nullptr);
  ASSERT_TRUE(scorer.has_value()) << scorer.error().message;
  Played played = play("shop", 0, {BaselineKind::gold, BaselineKind::do_nothing, BaselineKind::gold, BaselineKind::gold});
  Score score = (*scorer)->score(played.sample, played.responses)[0];
  EXPECT_EQ(score.failure_class, FailureClass::no_call);  // of the repeat that failed
  EXPECT_DOUBLE_EQ(value(score, "success"), 0.75);
  EXPECT_DOUBLE_EQ(value(score, "pass^2"), 0.5);   // C(3,2)/C(4,2)
  EXPECT_DOUBLE_EQ(value(score, "pass^4"), 0);
  EXPECT_DOUBLE_EQ(value(score, "steps"), (3 * 3 + 1) / 4.0);
  EXPECT_EQ(score.details["episodes"].size(), 4u);
  EXPECT_EQ(score.details["episodes"][1]["class"], "no_call");
  EXPECT_EQ(score.details["cluster"], "refund_in_time");
  // Ten turns of 110 tokens and half a second; three of four solved.
  EXPECT_EQ(score.details["weighted"]["tokens_per_solved"], Json::array({1100.0, 3.0}));
  EXPECT_EQ(score.details["weighted"]["seconds_per_solved"], Json::array({5.0, 3.0}));
}

TEST(AgentScore, AConversationWithoutItsEndIsNoVerdict) {
  auto scorer = make_scorer(agent_spec(1), nullptr);
  Played played = play("shop", 0, {agent::BaselineKind::gold});
  played.sample.requests.pop_back();
  played.responses.pop_back();
  Score score = (*scorer)->score(played.sample, played.responses)[0];
  EXPECT_EQ(score.failure_class, FailureClass::engine_failure);
  EXPECT_TRUE(score.metrics.empty());
}

TEST(AgentScore, APromptThatWasCutEndsTheConversation) {
  auto scorer = make_scorer(agent_spec(1), nullptr);
  Played played = play("shop", 0, {agent::BaselineKind::gold});
  played.responses[1].truncated_prompt = true;
  Score score = (*scorer)->score(played.sample, played.responses)[0];
  EXPECT_EQ(score.failure_class, FailureClass::truncated);
  EXPECT_DOUBLE_EQ(value(score, "steps"), 2);
}

TEST(AgentScore, TheDocumentKeepsTheWorkflowForARescore) {
  Played played = play("files", 0, {agent::BaselineKind::gold});
  agent::Workflow one;
  one.max_steps = 1;
  played.sample.doc["workflow"] = agent::to_json(one);
  auto scorer = make_scorer(agent_spec(1), nullptr);
  EXPECT_EQ((*scorer)->score(played.sample, played.responses)[0].failure_class, FailureClass::step_limit);
}

std::vector<std::vector<Score>> clustered(const std::vector<std::pair<std::string, double>>& items) {
  std::vector<std::vector<Score>> out;
  for (const auto& [cluster, success] : items) {
    Score score;
    score.failure_class = success == 1 ? FailureClass::correct : FailureClass::wrong_state;
    score.metrics = {{"success", success}, {"tokens_per_solved", 10}};
    score.details = {{"cluster", cluster}, {"weighted", {{"tokens_per_solved", Json::array({10.0, success})}}}};
    out.push_back({score});
  }
  return out;
}

const MetricSummary& of(const std::vector<MetricSummary>& all, const std::string& name) {
  for (const MetricSummary& m : all)
    if (m.metric == name) return m;
  ADD_FAILURE() << name;
  return all.front();
}

// Worked by hand: p = 3/8; cluster sums of residuals 1.25, -0.75, 0.25, -0.75; SE = sqrt(2.75)/8 * sqrt(4/3); design
// effect 1.9556, so 4.09 effective samples in Wilson's formula.
TEST(AgentScore, IntervalsTakeTheTasksOfATemplateTogether) {
  auto all = summarise(agent_spec(1), clustered({{"a", 1}, {"a", 1}, {"b", 0}, {"b", 0}, {"c", 1}, {"c", 0}, {"d", 0}, {"d", 0}}));
  const MetricSummary& success = of(all, "success");
  EXPECT_DOUBLE_EQ(success.value, 0.375);
  EXPECT_NEAR(success.stderr_value, 0.23936, 1e-5);
  EXPECT_NEAR(success.low, 0.0932, 1e-4);
  EXPECT_NEAR(success.high, 0.7778, 1e-4);
  EXPECT_DOUBLE_EQ(of(all, "tokens_per_solved").value, 80.0 / 3);
}

TEST(AgentScore, WithoutVarianceEachTemplateCountsOnce) {
  auto all = summarise(agent_spec(1), clustered({{"a", 0}, {"a", 0}, {"b", 0}, {"b", 0}, {"c", 0}, {"c", 0}, {"d", 0}, {"d", 0}}));
  const MetricSummary& success = of(all, "success");
  EXPECT_EQ(success.low, 0);
  EXPECT_NEAR(success.high, 0.48989, 1e-5);
  EXPECT_TRUE(std::isnan(of(all, "tokens_per_solved").value));  // nothing solved: no price
}

TEST(AgentScore, PassPowersGoUpToTheRepeats) {
  EXPECT_EQ(pass_powers(1), std::vector<int64_t>{});
  EXPECT_EQ(pass_powers(2), std::vector<int64_t>{2});
  EXPECT_EQ(pass_powers(3), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(pass_powers(8), (std::vector<int64_t>{2, 4, 8}));
}

}  // namespace
}  // namespace qeval
