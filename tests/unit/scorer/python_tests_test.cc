#include <gtest/gtest.h>

#include "code_testing.h"

namespace qeval {
namespace {

// Answers by script, for what real Python is not needed for.
class FakeSandbox : public Sandbox {
 public:
  std::string backend() const override { return "fake"; }
  ProgramRun run(const std::string& program, const SandboxLimits& limits) override {
    programs.push_back(program);
    wall = limits.wall;
    ProgramRun out = fallback;
    for (const auto& [part, verdict] : verdicts)
      if (program.find(part) != std::string::npos) out = {verdict, "because of " + part, "", 0};
    return out;
  }
  std::vector<std::pair<std::string, SandboxVerdict>> verdicts;
  ProgramRun fallback{SandboxVerdict::failed, "AssertionError", "", 0};
  std::vector<std::string> programs;
  std::chrono::milliseconds wall{0};
};

Score run(const TaskSpec& spec, Sandbox& sandbox, std::vector<Response> responses, Json doc = {{"prompt", "P\n"}}) {
  auto scorer = make_scorer(spec, &sandbox);
  EXPECT_TRUE(scorer) << scorer.error().message;
  Sample sample;
  sample.doc = std::move(doc);
  sample.target = "TESTS";
  sample.requests.resize(responses.size());
  return (*scorer)->score(sample, responses).at(0);
}

TEST(PythonTests, ProgramsAreBuiltAsTheTaskSays) {
  FakeSandbox sandbox;
  run(code_task("humaneval"), sandbox, {answer("A\r\nB")});
  EXPECT_EQ(sandbox.programs[0], "P\nA\r\nB\nTESTS");
  sandbox.programs.clear();
  run(code_task("humaneval_instruct"), sandbox, {answer("A\n```\nB")});
  EXPECT_EQ(sandbox.programs[0], "P\nA\n\nTESTS");
  sandbox.programs.clear();
  run(code_task("mbpp_instruct"), sandbox, {answer("\nA\n```\nB")});
  EXPECT_EQ(sandbox.programs[0], "A\nTESTS");
  sandbox.programs.clear();
  TaskSpec spec = code_task("mbpp");
  spec.scoring.scorer_options["timeout_s"] = 1.5;
  run(spec, sandbox, {answer("A")});
  EXPECT_EQ(sandbox.programs[0], "A\nTESTS");
  EXPECT_EQ(sandbox.wall.count(), 1500);
}

TEST(PythonTests, LmEvalsOwnHooksMeanTheSame) {
  FakeSandbox sandbox;
  TaskSpec spec = code_task("humaneval_instruct");
  spec.scoring.scorer_options = Json::object();
  spec.scoring.filters = {pipeline_from(
      "create_test", {{{"function", "custom"}, {"filter_fn", {{"!function", "utils.build_predictions_instruct"}}}}})};
  Score score = run(spec, sandbox, {answer("A```B")});
  EXPECT_EQ(sandbox.programs[0], "P\nA\nTESTS");
  EXPECT_EQ(score.filter, "create_test");
}

TEST(PythonTests, VerdictsBecomeClasses) {
  struct Row {
    SandboxVerdict verdict;
    FailureClass expected;
  };
  for (Row row :
       {Row{SandboxVerdict::passed, FailureClass::correct}, Row{SandboxVerdict::failed, FailureClass::test_failed},
        Row{SandboxVerdict::runtime_error, FailureClass::runtime_error},
        Row{SandboxVerdict::syntax_error, FailureClass::syntax_error},
        Row{SandboxVerdict::time_out, FailureClass::time_out},
        Row{SandboxVerdict::memory_limit, FailureClass::memory_limit},
        Row{SandboxVerdict::output_limit, FailureClass::runtime_error},
        Row{SandboxVerdict::exited, FailureClass::runtime_error}}) {
    FakeSandbox sandbox;
    sandbox.fallback.verdict = row.verdict;
    Score score = run(code_task("humaneval"), sandbox, {answer("    return 1")});
    EXPECT_EQ(score.failure_class, row.expected) << to_string(row.expected);
    EXPECT_EQ(metric_of(score, "pass@1"), row.verdict == SandboxVerdict::passed ? 1 : 0);
    EXPECT_EQ(score.details["backend"], "fake");
  }
}

TEST(PythonTests, ABrokenSandboxIsNoVerdictOnTheModel) {
  FakeSandbox sandbox;
  sandbox.fallback = {SandboxVerdict::infrastructure, "no namespaces", "", 0};
  Score score = run(code_task("humaneval"), sandbox, {answer("x")});
  EXPECT_EQ(score.failure_class, FailureClass::sandbox_failure);
  EXPECT_TRUE(score.metrics.empty());
  EXPECT_EQ(score.explanation, "no namespaces");
}

TEST(PythonTests, PassAtKCountsRepeats) {
  FakeSandbox sandbox;
  sandbox.verdicts = {{"good", SandboxVerdict::passed}};
  TaskSpec spec = code_task("humaneval");
  spec.repeats = 4;
  spec.scoring.metrics = {{"pass_at_k", "mean", true, {{"k", {1, 2}}}}};
  Score score = run(spec, sandbox, {answer("bad"), answer("good"), answer("bad"), answer("bad")});
  EXPECT_DOUBLE_EQ(metric_of(score, "pass@1"), 0.25);
  EXPECT_DOUBLE_EQ(metric_of(score, "pass@2"), 0.5);
  EXPECT_EQ(score.details["verdicts"].size(), 4u);
  EXPECT_EQ(score.failure_class, FailureClass::test_failed);
  sandbox.verdicts.push_back({"bad", SandboxVerdict::infrastructure});
  score = run(spec, sandbox, {answer("good"), answer("good"), answer("good"), answer("bad")});
  EXPECT_EQ(score.failure_class, FailureClass::sandbox_failure);
  EXPECT_TRUE(score.metrics.empty());
}

TEST(PythonTests, WrongOptionsAreErrors) {
  FakeSandbox sandbox;
  auto error = [&](const char* key, Json value) {
    TaskSpec spec = code_task("humaneval");
    spec.scoring.scorer_options[key] = std::move(value);
    auto made = make_scorer(spec, &sandbox);
    return made ? "" : made.error().message;
  };
  EXPECT_NE(error("extract", "last_fence").find("'last_fence'"), std::string::npos);
  EXPECT_NE(error("timeout_s", "long").find("timeout_s"), std::string::npos);
  EXPECT_NE(error("timeout_s", 0).find("timeout_s"), std::string::npos);
  EXPECT_NE(error("prepend_prompt", 1).find("prepend_prompt"), std::string::npos);
  EXPECT_NE(error("program", "x").find("unknown key 'program'"), std::string::npos);
  TaskSpec spec = code_task("humaneval");
  spec.scoring.metrics = {{"pass@5", "mean", true, {}}};
  auto made = make_scorer(spec, &sandbox);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("repeats"), std::string::npos);
  made = make_scorer(code_task("humaneval"), nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::environment);
}

TEST(PythonTests, StopStringsAndThinkingAreCutFirst) {
  FakeSandbox sandbox;
  TaskSpec spec = code_task("humaneval");
  spec.scoring.until = {"\nclass", "\ndef"};
  spec.scoring.think_end_token = "</think>";
  run(spec, sandbox, {answer("<think>\ndef</think>\n    return 1\ndef g(): pass")});
  EXPECT_EQ(sandbox.programs[0], "P\nreturn 1\nTESTS");  // as lm-eval: white space after the reasoning goes too
}

TEST(PythonTests, AStopStringInsideAStringIsNotTheModelsFault) {
  LocalPython python;
  Score score = run(code_task("humaneval"), python, {answer("    text = '''", FinishReason::stop_string)},
                    {{"prompt", "def f():\n"}});
  EXPECT_EQ(score.failure_class, FailureClass::stopped_mid_answer) << score.explanation;
}

}  // namespace
}  // namespace qeval
