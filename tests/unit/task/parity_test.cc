#include <gtest/gtest.h>

#include <map>

#include "qeval/task/loaded_task.h"
#include "qeval/text/unicode.h"
#include "qeval/util/hash.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;

struct Case {
  const char* file;
  const char* task;
  bool chat;
  bool generates;
  bool original_docs;   // the data here is the one that the peer hashed
};

void check_requests(const Json& row, const std::vector<RawArguments>& raw, const Sample& sample, const Case& c) {
  const Json& arguments = row["arguments"];
  ASSERT_EQ(raw.size(), arguments.size());
  ASSERT_EQ(sample.requests.size(), arguments.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    const Json& want = arguments["gen_args_" + std::to_string(i)];
    std::string context = want["arg_0"];
    EXPECT_EQ(raw[i].context, context);
    const Request& request = sample.requests[i];
    if (c.generates) {
      EXPECT_EQ(std::get<std::string>(request.prompt), context);
      EXPECT_EQ(request.until, want["arg_1"]["until"].get<std::vector<std::string>>());
      EXPECT_EQ(request.sampling.temperature, 0);
      EXPECT_EQ(request.kind, RequestKind::generate);
      continue;
    }
    std::string continuation = want["arg_1"];
    EXPECT_EQ(raw[i].continuation, continuation);
    EXPECT_EQ(request.kind, RequestKind::loglikelihood);
    EXPECT_EQ(std::get<std::string>(request.prompt), py_rstrip(context));
    EXPECT_EQ(std::get<std::string>(request.prompt) + request.continuation, context + continuation);
  }
  EXPECT_EQ(sha256_hex(raw[0].context), row["prompt_hash"].get<std::string>());
}

void check_file(const Case& c) {
  std::string path = parity_dir() + "/" + c.file;
  if (!file_exists(path) || !std::filesystem::is_directory(data_dir())) GTEST_SKIP() << path;
  auto registry = open_task_registry(shared_sources());
  ASSERT_TRUE(registry) << registry.error().message;
  TaskOverrides overrides;
  overrides.apply_chat_template = c.chat;
  auto task = (*registry)->load(c.task, overrides);
  ASSERT_TRUE(task) << task.error().message;
  std::ifstream file(path);
  int n = 0;
  for (std::string line; std::getline(file, line); ++n) {
    Json row = parse_json(line).value();
    size_t id = row["doc_id"].get<size_t>();
    SCOPED_TRACE(std::string(c.task) + " doc " + std::to_string(id));
    auto raw = raw_arguments(**task, id, smollm2_renderer());
    ASSERT_TRUE(raw) << raw.error().message;
    auto sample = (*task)->build(id, smollm2_renderer());
    ASSERT_TRUE(sample) << sample.error().message;
    check_requests(row, *raw, *sample, c);
    EXPECT_EQ(sample->target, row["target"].get<std::string>());
    EXPECT_EQ(sha256_hex(sample->target), row["target_hash"].get<std::string>());
    if (c.original_docs) {
      EXPECT_EQ(sample->doc_hash, row["doc_hash"].get<std::string>());
    }
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GE(n, 32);
}

TEST(Parity, ArcChallenge) { check_file({"arc_challenge.samples.jsonl", "arc_challenge", false, false, true}); }
TEST(Parity, ArcChallengeChatTemplate) {
  check_file({"arc_challenge_chat_template.samples.jsonl", "arc_challenge", true, false, true});
}
TEST(Parity, HellaSwag) { check_file({"hellaswag.samples.jsonl", "hellaswag", false, false, false}); }
TEST(Parity, Gsm8k) { check_file({"gsm8k.samples.jsonl", "gsm8k", false, true, true}); }
TEST(Parity, Gsm8kChatMultiturn) { check_file({"gsm8k_chat.samples.jsonl", "gsm8k", true, true, true}); }
TEST(Parity, HumanEval) { check_file({"humaneval.samples.jsonl", "humaneval", false, true, true}); }

// Any subset of documents gives the same prompts as the whole run.
TEST(Parity, PromptsDoNotDependOnTheSelection) {
  if (!std::filesystem::is_directory(data_dir())) GTEST_SKIP();
  auto registry = open_task_registry(shared_sources());
  ASSERT_TRUE(registry);
  TaskOverrides all, few;
  few.doc_ids = {1000, 7, 500};
  auto whole = (*registry)->load("gsm8k", all);
  auto part = (*registry)->load("gsm8k", few);
  ASSERT_TRUE(whole && part);
  EXPECT_EQ((*part)->doc_ids(), (std::vector<int64_t>{7, 500, 1000}));
  for (size_t i = 0; i < 3; ++i) {
    int64_t id = (*part)->doc_ids()[i];
    auto a = (*whole)->build(static_cast<size_t>(id), nullptr), b = (*part)->build(i, nullptr);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->doc_id, b->doc_id);
    EXPECT_EQ(a->requests[0].prompt, b->requests[0].prompt);
  }
}

}  // namespace
}  // namespace qeval
