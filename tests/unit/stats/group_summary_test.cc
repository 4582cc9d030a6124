#include "qeval/stats/group_summary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qeval/stats/intervals.h"

namespace qeval {
namespace {

TaskSummary task(const std::string& name, double value, double se, int64_t n, int64_t lost = 0) {
  MetricSummary m;
  m.metric = "acc";
  m.value = value;
  m.stderr_value = se;
  m.n = n;
  m.n_infrastructure = lost;
  double right = value * static_cast<double>(n), all = static_cast<double>(n + lost);
  m.bound_low = right / all;
  m.bound_high = (right + static_cast<double>(lost)) / all;
  m.is_proportion = true;
  TaskSummary t;
  t.task = name;
  t.protocol = "5-shot, raw, log-likelihood";
  t.num_fewshot = 5;
  t.metrics = {m};
  t.n_docs = n + lost;
  t.n_infrastructure = lost;
  t.classes["none"] = {{FailureClass::correct, static_cast<int64_t>(std::llround(right)), {0}}};
  return t;
}

GroupSpec group(bool by_size) {
  GroupSpec g;
  g.name = "g";
  g.tasks = g.members = {"a", "b", "c"};
  g.metrics = {{"acc", {"none"}, by_size}};
  return g;
}

TEST(GroupSummary, WeighsBySize) {
  std::vector<TaskSummary> tasks = {task("a", 0.5, 0.05, 100), task("b", 0.25, 0.1, 20, 4), task("other", 1, 0, 50)};
  TaskSummary s = summarise_group(group(true), tasks);
  ASSERT_TRUE(s.primary());
  const MetricSummary& m = *s.primary();
  EXPECT_DOUBLE_EQ(m.value, (50 + 5) / 120.0);
  // sqrt((99·0.05²·100 + 19·0.1²·20) / (120 − 2) / 120)
  EXPECT_NEAR(m.stderr_value, std::sqrt((99 * 0.0025 * 100 + 19 * 0.01 * 20) / 118 / 120), 1e-12);
  EXPECT_EQ(m.n, 120);
  EXPECT_EQ(m.n_infrastructure, 4);
  EXPECT_DOUBLE_EQ(m.bound_low, 55 / 124.0);
  EXPECT_DOUBLE_EQ(m.bound_high, 59 / 124.0);
  EXPECT_EQ(m.low, wilson_interval(55, 120).low);
  EXPECT_EQ(s.num_fewshot, 5);
  EXPECT_EQ(s.classes["none"][0].n, 55);
  EXPECT_TRUE(s.classes["none"][0].example_doc_ids.empty());
  EXPECT_EQ(missing_tasks(group(true), tasks), std::vector<std::string>{"c"});
  EXPECT_NE(s.note.find("2 of 3 tasks"), std::string::npos);
}

TEST(GroupSummary, OrCountsEachTaskTheSame) {
  std::vector<TaskSummary> tasks = {task("a", 0.5, 0.05, 100), task("b", 0.25, 0.1, 20)};
  const MetricSummary m = *summarise_group(group(false), tasks).primary();
  EXPECT_DOUBLE_EQ(m.value, 0.375);
  EXPECT_NEAR(m.stderr_value, std::sqrt(0.0025 + 0.01) / 2, 1e-12);
  EXPECT_NEAR(m.high, 0.375 + kZ95 * m.stderr_value, 1e-12);
}

TEST(GroupSummary, FindsFiltersByItself) {
  TaskSummary a = task("a", 0.5, 0.05, 100);
  a.metrics.push_back(a.metrics[0]);
  a.metrics[1].filter = "strict";
  GroupSpec g = group(true);
  g.metrics[0].filters.clear();
  EXPECT_EQ(summarise_group(g, {a}).metrics.size(), 2U);
}

TEST(GroupSummary, HasNoScoreWithoutTasks) {
  EXPECT_FALSE(summarise_group(group(true), {}).primary());
  GroupSpec read = group_spec_from_json(to_json(group(false)));
  EXPECT_EQ(to_json(read), to_json(group(false)));
}

}  // namespace
}  // namespace qeval
