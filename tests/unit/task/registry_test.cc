#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qeval/util/assets.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<TaskRegistry> tree_registry() {
  TaskSources sources;
  sources.include_paths = {cases_dir() + "/tree"};
  sources.offline = true;
  auto registry = open_task_registry(sources);
  EXPECT_TRUE(registry) << registry.error().message;
  return std::move(*registry);
}

TEST(Registry, ShippedTasksAreAllThere) {
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry) << registry.error().message;
  for (const char* name : {"gsm8k", "gsm8k_cot", "gsm8k_cot_zeroshot", "gsm8k_cot_llama", "arc_easy", "arc_challenge", "arc_challenge_chat",
                           "hellaswag", "winogrande", "piqa", "truthfulqa_mc2", "humaneval", "humaneval_instruct", "mbpp", "mbpp_instruct",
                           "arc_challenge_gen", "arc_easy_gen", "hellaswag_gen", "winogrande_gen", "piqa_gen", "mmlu_gen"}) {
    auto spec = (*registry)->describe(name);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->name, name);
    EXPECT_FALSE(spec->category.empty()) << name;
    EXPECT_FALSE(spec->title.empty()) << name;
    EXPECT_NE(spec->version, "0") << name;
  }
  auto mmlu = (*registry)->expand("mmlu");
  ASSERT_TRUE(mmlu) << mmlu.error().message;
  EXPECT_EQ(mmlu->size(), 57u);
  EXPECT_EQ((*registry)->expand("mmlu_stem")->size(), 19u);
}

TEST(Registry, EveryShippedFileIsReadable) {
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry);
  for (const TaskListing& listing : (*registry)->list()) {
    if (listing.kind != "task") continue;
    auto spec = (*registry)->describe(listing.name);
    EXPECT_TRUE(spec) << listing.name << ": " << spec.error().message;
  }
}

TEST(Registry, TagsGroupsAndMembersExpandInOrder) {
  auto registry = tree_registry();
  EXPECT_THAT(*registry->expand("letters"), ElementsAre("alpha", "beta"));
  EXPECT_THAT(*registry->expand("first"), ElementsAre("alpha"));
  EXPECT_THAT(*registry->expand("gamma"), ElementsAre("gamma"));
  auto all = registry->expand("everything");
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_THAT(*all, ElementsAre("alpha", "beta", "everything::gamma", "everything::fresh"));
  EXPECT_THAT(*registry->expand("*amma"), ElementsAre("gamma"));
}

TEST(Registry, GroupKeysComeOverTheTasks) {
  auto registry = tree_registry();
  EXPECT_EQ(registry->describe("gamma")->num_fewshot, 0);
  auto changed = registry->describe("everything::gamma");
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(changed->num_fewshot, 2);
  EXPECT_EQ(changed->version, "1.5");
  auto fresh = registry->load("everything::fresh", {});
  ASSERT_TRUE(fresh) << fresh.error().message;
  EXPECT_EQ((*fresh)->n_docs_total(), 3);
}

TEST(Registry, IncludePathsComeFirst) {
  auto registry = tree_registry();
  EXPECT_EQ(registry->describe("piqa")->version, "mine");
  EXPECT_EQ(registry->describe("gsm8k")->version, "3.0");
  for (const TaskListing& listing : registry->list())
    if (listing.name == "piqa") {
      EXPECT_THAT(listing.description, HasSubstr("tasks/piqa/piqa.yaml"));
    }
}

TEST(Registry, ABrokenFileSpeaksWhenItIsUsed) {
  auto registry = tree_registry();
  auto spec = registry->describe("broken_task");
  ASSERT_FALSE(spec);
  EXPECT_THAT(spec.error().message, HasSubstr("broken.yaml:"));
}

TEST(Registry, UnknownNamesGetNearOnes) {
  auto registry = tree_registry();
  auto names = registry->expand("arc_chalenge");
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(names.error().message, HasSubstr("did you mean arc_challenge"));
}

TEST(Registry, UnreadableIncludePath) {
  TaskSources sources;
  sources.include_paths = {"/nonexistent/folder"};
  auto registry = open_task_registry(sources);
  ASSERT_FALSE(registry);
  EXPECT_THAT(registry.error().message, HasSubstr("/nonexistent/folder"));
}

// A user's copy of a task whose Python file is not the known one must not get our C++ function in its place.
TEST(Registry, HooksOfUnknownPythonFilesAreRefused) {
  TempDir folder;
  folder.write("hellaswag/utils.py", "def process_docs(d):\n    return d.shuffle()\n");
  folder.write("hellaswag/mine.yaml",
               "task: mine\ndataset_path: Rowan/hellaswag\nvalidation_split: validation\nprocess_docs: !function utils.process_docs\n"
               "doc_to_text: query\ndoc_to_target: label\ndoc_to_choice: choices\noutput_type: multiple_choice\n");
  TaskSources sources;
  sources.include_paths = {folder.path()};
  auto registry = open_task_registry(sources);
  ASSERT_TRUE(registry);
  auto spec = (*registry)->describe("mine");
  ASSERT_FALSE(spec);
  EXPECT_THAT(spec.error().message, HasSubstr("mine.yaml:4: process_docs: !function utils.process_docs: Python cannot run here"));
}

TEST(Suites, ShippedOnesNameTasksThatExist) {
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry);
  std::vector<Suite> suites = list_suites();
  EXPECT_GE(suites.size(), 3u);
  for (const Suite& suite : suites) {
    EXPECT_FALSE(suite.description.empty()) << suite.name;
    for (const auto& list : {suite.instruct, suite.base})
      for (const SuiteEntry& entry : list) {
        if (!entry.pending.empty()) continue;
        auto names = (*registry)->expand(entry.task);
        EXPECT_TRUE(names) << suite.name << ": " << names.error().message;
      }
  }
  auto tracker = load_suite("tracker", {});
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_EQ(tracker->limit, 100);
  EXPECT_EQ(tracker->instruct.size(), 11u);
  for (const SuiteEntry& entry : tracker->instruct) EXPECT_EQ(entry.pending, "") << entry.task;
  EXPECT_TRUE(tracker->instruct[0].apply_chat_template);
  EXPECT_EQ(tracker->base.size(), 5u);
  EXPECT_EQ(load_suite("reference", {})->base[1].num_fewshot, 25);
}

TEST(Suites, UnknownAndBroken) {
  auto suite = load_suite("trcker", {});
  ASSERT_FALSE(suite);
  EXPECT_THAT(suite.error().message, HasSubstr("did you mean tracker"));
  TempDir folder;
  folder.write("suites/bad.yaml", "suite: bad\ntasks:\n  - {task: gsm8k, shots: 3}\n");
  auto bad = load_suite("bad", {folder.path()});
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("bad.yaml: tasks: unknown key 'shots'"));
  folder.write("suites/tracker.yaml", "suite: tracker\ndescription: mine\ntasks: [gsm8k]\n");
  EXPECT_EQ(load_suite("tracker", {folder.path()})->description, "mine");
}

}  // namespace
}  // namespace qeval
