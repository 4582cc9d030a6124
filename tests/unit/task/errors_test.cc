#include <gtest/gtest.h>

#include "qeval/task/rows.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;

// Describes, loads and builds; the first error.
Status use(const std::string& file) {
  TaskSources sources;
  sources.offline = true;
  QEVAL_TRY(auto registry, open_task_registry(sources));
  QEVAL_CHECK(registry->describe(file));
  QEVAL_TRY(auto task, registry->load(file, {}));
  for (size_t i = 0; i < task->doc_ids().size(); ++i) QEVAL_CHECK(task->build(i, nullptr));
  return {};
}

// Each file of tests/cases/task/errors says in its first line what the message must hold.
TEST(TaskErrors, EveryBadFileGetsAClearMessage) {
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cases_dir() + "/errors")) {
    std::string text = read_file(entry.path().string()).value();
    std::string mark = "# expect: ";
    ASSERT_EQ(text.rfind(mark, 0), 0u) << entry.path();
    std::string want = text.substr(mark.size(), text.find('\n') - mark.size());
    auto result = use(entry.path().string());
    ASSERT_FALSE(result) << entry.path();
    EXPECT_EQ(result.error().kind, ErrorKind::bad_input) << entry.path();
    EXPECT_NE(result.error().message.find(want), std::string::npos) << entry.path() << "\n" << result.error().message;
    ++n;
  }
  EXPECT_GE(n, 20);
}

TEST(TaskErrors, TheBrokenLineIsShown) {
  auto result = use(cases_dir() + "/errors/broken_line.yaml");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("{\"question\": \"broken\""), std::string::npos) << result.error().message;
}

TEST(TaskErrors, MissingDataSaysWhereItLookedAndHowToGetIt) {
  TempDir empty;
  TaskSources sources;
  sources.data_dir = empty.path();
  sources.offline = true;
  auto registry = open_task_registry(sources);
  ASSERT_TRUE(registry);
  auto task = (*registry)->load("arc_challenge", {});
  ASSERT_FALSE(task);
  for (const char* part : {"arc_challenge: the split 'test' of allenai/ai2_arc (ARC-Challenge) is not here", "arc/ARC-Challenge-Test.jsonl",
                           "qeval data pull arc_challenge", "offline"})
    EXPECT_NE(task.error().message.find(part), std::string::npos) << task.error().message;
}

// The shared ARC copy has no training split: 25 shots must say so, not run without.
TEST(TaskErrors, MissingFewshotPool) {
  if (!std::filesystem::is_directory(data_dir())) GTEST_SKIP();
  auto registry = open_task_registry(shared_sources());
  ASSERT_TRUE(registry);
  TaskOverrides overrides;
  overrides.num_fewshot = 25;
  auto task = (*registry)->load("arc_challenge", overrides);
  ASSERT_FALSE(task);
  EXPECT_NE(task.error().message.find("few-shot examples: arc_challenge: the split 'train'"), std::string::npos) << task.error().message;
}

TEST(TaskErrors, OverridesAreChecked) {
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry);
  std::string file = cases_dir() + "/tree/alpha.yaml";
  TaskOverrides overrides;
  overrides.gen_kwargs = {{"temprature", 1}};
  EXPECT_FALSE((*registry)->load(file, overrides));
  overrides.gen_kwargs = nullptr;
  overrides.doc_ids = {3};
  auto task = (*registry)->load(file, overrides);
  ASSERT_FALSE(task);
  EXPECT_NE(task.error().message.find("there is no doc 3: the split has 3"), std::string::npos) << task.error().message;
  overrides.doc_ids.clear();
  overrides.enable_thinking = true;  // log-likelihoods are taken without it
  task = (*registry)->load(file, overrides);
  ASSERT_TRUE(task);
  EXPECT_EQ((*task)->spec().thinking, false);
}

}  // namespace
}  // namespace qeval
