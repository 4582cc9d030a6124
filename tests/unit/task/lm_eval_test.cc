#include <gtest/gtest.h>

#include "qeval/task/loaded_task.h"
#include "qeval/text/unicode.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;

TaskOverrides overrides_of(const Json& mode) {
  TaskOverrides overrides;
  overrides.system_instruction = json_string(mode, "system");
  overrides.apply_chat_template = json_bool(mode, "chat");
  overrides.fewshot_as_multiturn = json_bool(mode, "multiturn");
  if (mode.contains("shots")) overrides.num_fewshot = mode["shots"].get<int>();
  if (mode.contains("seed")) overrides.fewshot_seed = mode["seed"].get<uint64_t>();
  return overrides;
}

// tests/cases/task/prompts/lm_eval.json holds what lm-eval 0.4.13 itself asks for the YAML files beside it: arguments
// before whitespace moves, targets and stop strings, in several modes (chat template, shots, seed, system message).
TEST(LmEval, EveryPromptIsByteEqual) {
  std::string folder = cases_dir() + "/prompts";
  Json cases = parse_json(read_file(folder + "/lm_eval.json").value()).value();
  auto registry = open_task_registry({});
  ASSERT_TRUE(registry);
  size_t n = 0;
  for (const Json& c : cases) {
    std::string name = c["case"];
    SCOPED_TRACE(name + " " + c["mode"].dump());
    auto task = (*registry)->load(folder + "/" + name + ".yaml", overrides_of(c["mode"]));
    ASSERT_TRUE(task) << task.error().message;
    for (size_t i = 0; i < c["docs"].size(); ++i) {
      const Json& want = c["docs"][i];
      SCOPED_TRACE("doc " + std::to_string(i));
      auto raw = raw_arguments(**task, i, smollm2_renderer());
      ASSERT_TRUE(raw) << raw.error().message;
      ASSERT_EQ(raw->size(), want["args"].size());
      auto sample = (*task)->build(i, smollm2_renderer());
      ASSERT_TRUE(sample) << sample.error().message;
      for (size_t k = 0; k < raw->size(); ++k, ++n) {
        std::string context = want["args"][k][0], continuation = want["args"][k][1];
        EXPECT_EQ((*raw)[k].context, context);
        EXPECT_EQ((*raw)[k].continuation, continuation);
        const Request& request = sample->requests[k];
        EXPECT_EQ(std::get<std::string>(request.prompt) + request.continuation, context + continuation);
        if (request.kind == RequestKind::loglikelihood) {
          EXPECT_EQ(std::get<std::string>(request.prompt), py_rstrip(context));
        }
      }
      EXPECT_EQ(sample->target, want["target"].get<std::string>());
      if (want.contains("until")) {
        EXPECT_EQ(sample->requests[0].until, want["until"].get<std::vector<std::string>>());
      }
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(n, 1000u);
}

}  // namespace
}  // namespace qeval
