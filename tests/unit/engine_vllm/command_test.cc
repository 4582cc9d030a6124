#include "qeval/engine/vllm/command.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "qeval/util/file.h"

namespace qeval {
namespace {

FlagTable table(const std::string& version, std::set<std::string> help = {}) {
  return *FlagTable::load(*parse_vllm_version(version), std::move(help));
}

struct Case {
  VllmCommandRequest request;
  FlagTable flags;
  explicit Case(const std::string& version, std::set<std::string> help = {}) : flags(table(version, std::move(help))) {
    request.install.executable = "/opt/vllm";
    request.install.version_text = version;
    request.install.version = *parse_vllm_version(version);
    request.install.cpu_build = version.find("cpu") != std::string::npos;
    request.model = "Qwen/Qwen3-8B";
    request.served_name = "m";
    request.port = 8000;
  }
  Result<VllmCommand> build() {
    request.flags = &flags;
    return build_vllm_command(request);
  }
  std::string line() {
    auto command = build();
    EXPECT_TRUE(command) << (command ? "" : command.error().message);
    return command ? shell_line(*command) : "";
  }
  std::string error() {
    auto command = build();
    EXPECT_FALSE(command);
    return command ? "" : command.error().message;
  }
};

testing::AssertionResult holds(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "“" << part << "” is not in: " << text;
}

ModelSpec hybrid_thinking() {
  ModelSpec s;
  s.id = "qwen3.5-4b";
  s.family = "qwen3.5+";
  s.thinking = "switch";
  s.tool_format = "xml";
  s.n_layers = 32;
  s.n_kv_layers = 8;
  s.context = 262144;
  s.vllm_min = "0.17";
  return s;
}

TEST(VllmCommand, PresetsBecomeFlags) {
  Case c("0.32.0");
  c.request.preset.name = "memory_optimized";
  c.request.preset.gpu_memory_utilization = 0.7;
  c.request.preset.max_num_seqs = 32;
  c.request.preset.prefix_caching = false;
  std::string line = c.line();
  EXPECT_TRUE(line.find("/opt/vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8000") != std::string::npos) << line;
  EXPECT_TRUE(holds(line, "--gpu-memory-utilization 0.7 --no-enable-prefix-caching"));
  EXPECT_TRUE(holds(line, "--max-num-seqs 32"));
  EXPECT_TRUE(holds(line, "--generation-config vllm"));
  EXPECT_TRUE(holds(line, "--seed 1234"));
  c.request.preset.prefix_caching = true;
  EXPECT_TRUE(holds(c.line(), " --enable-prefix-caching"));
}

TEST(VllmCommand, LengthIsTheModelsOwnAtMost) {
  Case c("0.32.0");
  c.request.config = {{"max_position_embeddings", 8192}};
  EXPECT_TRUE(holds(c.line(), "--max-model-len 8192"));
  c.request.preset.max_model_len = 2048;
  EXPECT_TRUE(holds(c.line(), "--max-model-len 2048"));
}

TEST(VllmCommand, ParsersFollowModelAndVersion) {
  Case now("0.32.0");
  now.request.spec = hybrid_thinking();
  std::string line = now.line();
  EXPECT_TRUE(holds(line, "--reasoning-parser qwen3"));
  EXPECT_TRUE(holds(line, "--enable-auto-tool-choice --tool-call-parser qwen3_coder"));
  EXPECT_TRUE(holds(line, "--language-model-only"));
  Case old("0.10.2");
  old.request.spec = hybrid_thinking();
  EXPECT_TRUE(holds(old.error(), "needs vLLM 0.17"));
  ModelSpec always;
  always.id = "qwen3-4b-thinking-2507";
  always.family = "qwen3";
  always.thinking = "always";
  always.tool_format = "hermes";
  old.request.spec = now.request.spec = always;
  EXPECT_TRUE(holds(old.line(), "--reasoning-parser deepseek_r1")) << "its qwen3 parser wants both tags";
  EXPECT_TRUE(holds(now.line(), "--reasoning-parser qwen3"));
  EXPECT_TRUE(holds(now.line(), "--tool-call-parser hermes"));
}

TEST(VllmCommand, FlagsPassThroughInEveryShape) {
  Case c("0.32.0");
  c.request.preset.vllm = {{"tensor_parallel_size", 2}, {"kv-cache-dtype", "fp8"}, {"enforce_eager", true}, {"enable_chunked_prefill", false},
                           {"lora_modules", {"a=/x", "b=/y z"}}, {"speculative_config", {{"method", "mtp"}, {"num_speculative_tokens", 1}}},
                           {"max_num_seqs", 7}, {"ray_address", "head:6379"}, {"env", {{"VLLM_USE_X", 1}}}, {"env.VLLM_Y", "z"}, {"seed", nullptr}};
  auto command = c.build();
  ASSERT_TRUE(command) << command.error().message;
  std::string line = shell_line(*command);
  for (const char* part : {"--tensor-parallel-size 2", "--kv-cache-dtype fp8", "--enforce-eager", "--no-enable-chunked-prefill", "--lora-modules a=/x 'b=/y z'",
                           "--enable-lora", "--speculative-config '{\"method\":\"mtp\",\"num_speculative_tokens\":1}'", "--max-num-seqs 7",
                           "--distributed-executor-backend ray", "RAY_ADDRESS=head:6379", "VLLM_USE_X=1", "VLLM_Y=z"})
    EXPECT_TRUE(holds(line, part));
  EXPECT_EQ(line.find("--max-num-seqs 64"), std::string::npos);
  EXPECT_EQ(line.find("--seed"), std::string::npos) << "null takes a flag away";
  EXPECT_EQ(command->settings["tensor-parallel-size"], 2);
  EXPECT_FALSE(command->settings.contains("port"));
}

TEST(VllmCommand, FlagsThatThisVersionLacksAreSaid) {
  Case now("0.32.0"), old("0.10.2");
  now.request.preset.vllm = {{"swap_space", 4}};
  EXPECT_TRUE(holds(now.error(), "removed after vLLM 0.17; instead: kv-offloading-size"));
  old.request.preset.vllm = {{"swap_space", 4}};
  EXPECT_TRUE(holds(old.line(), "--swap-space 4"));
  old.request.preset.vllm = {{"mamba_cache_mode", "align"}};
  EXPECT_TRUE(holds(old.error(), "came with vLLM 0.15; this is 0.10.2"));
  now.request.preset.vllm = {{"max_num_seq", 4}};
  EXPECT_TRUE(holds(now.error(), "did you mean --max-num-seqs?"));
  EXPECT_EQ(now.build().error().kind, ErrorKind::usage);
}

TEST(VllmCommand, WhatIsQevalsCannotBeSet) {
  for (const char* flag : {"host", "api_key", "served-model-name", "headless"}) {
    Case c("0.32.0");
    c.request.preset.vllm = {{flag, "x"}};
    EXPECT_TRUE(holds(c.error(), "qeval sets")) << flag;
  }
  Case c("0.32.0");
  c.request.preset.vllm = {{"env.HF_TOKEN", "secret-value"}};
  std::string error = c.error();
  EXPECT_TRUE(holds(error, "HF_TOKEN"));
  EXPECT_EQ(error.find("secret-value"), std::string::npos);
}

TEST(VllmCommand, YarnInTheWordsOfEachVersion) {
  Case old("0.11.0"), now("0.32.0");
  for (Case* c : {&old, &now}) {
    c->request.yarn_factor = 4;
    c->request.config = {{"max_position_embeddings", 40960}, {"rope_theta", 1000000}};
  }
  EXPECT_TRUE(holds(old.line(), "--rope-scaling '{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768}'"));
  EXPECT_TRUE(holds(now.line(), "--hf-overrides '{\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32768,"
                                "\"rope_theta\":1000000.0}}'"));
  EXPECT_TRUE(holds(now.line(), "--max-model-len 131072"));
  now.request.config = {{"text_config", {{"max_position_embeddings", 262144}, {"rope_parameters", {{"rope_theta", 1e7}, {"mrope_section", {11, 11, 10}}}}}}};
  EXPECT_TRUE(holds(now.line(), "{\"text_config\":{\"rope_parameters\":{\"rope_theta\":10000000.0,\"mrope_section\":[11,11,10],\"rope_type\":\"yarn\""));
  now.request.config = nullptr;
  EXPECT_TRUE(holds(now.error(), "context length is not known"));
}

TEST(VllmCommand, CpuBuildsGetTheirKvRoom) {
  Case c("0.32.0+cpu");
  c.request.cpu_kv_gib = 2.2;
  EXPECT_TRUE(holds(c.line(), "VLLM_CPU_KVCACHE_SPACE=3"));
  Case gpu("0.32.0");
  gpu.request.cpu_kv_gib = 2.2;
  EXPECT_EQ(gpu.line().find("VLLM_CPU"), std::string::npos);
}

TEST(VllmCommand, OnlySecondsAreTimeouts) {
  Case c("0.32.0");
  c.request.preset.vllm = {{"start_timeout_s", "soon"}};
  EXPECT_TRUE(holds(c.error(), "start_timeout_s"));
  c.request.preset.vllm = {{"start_timeout_s", 5}};
  auto command = c.build();
  ASSERT_TRUE(command);
  EXPECT_EQ(command->start_timeout_s, 5);
  EXPECT_EQ(shell_line(*command).find("start"), std::string::npos);
}

TEST(Flags, TableAgreesWithTheHelpOfTheNewestVersion) {
  auto text = read_file(QEVAL_SOURCE_DIR "/tests/cases/engine_vllm/help_0.32.txt");
  ASSERT_TRUE(text);
  std::set<std::string> help = parse_help(*text);
  EXPECT_GT(help.size(), 300u);
  EXPECT_TRUE(help.contains("max-num-seqs") && help.contains("no-enable-prefix-caching") && help.contains("device-memory-utilization"));
  EXPECT_FALSE(help.contains("not-a-flag"));
  FlagTable by_table = table("0.32.0");
  for (const std::string& flag : help) EXPECT_TRUE(by_table.has(flag)) << flag << ": in the help, not in the table";
  FlagTable by_help = table("0.32.0", help);
  for (const char* gone : {"swap-space", "rope-scaling", "disable-log-requests", "guided-decoding-backend", "task"}) {
    EXPECT_FALSE(help.contains(gone)) << gone;
    EXPECT_EQ(by_table.state(gone), FlagTable::State::removed) << gone;
    EXPECT_EQ(by_help.state(gone), FlagTable::State::removed) << gone;
  }
}

TEST(Flags, TheInstalledHelpKnowsBest) {
  FlagTable newer = table("0.40.0", {"max-num-seqs", "brand-new"});
  EXPECT_TRUE(newer.has("brand-new"));
  EXPECT_EQ(newer.state("kv-cache-dtype"), FlagTable::State::unknown) << "in our table, not in that vLLM";
  EXPECT_TRUE(table("0.32.0").has("compilation-config.mode")) << "a key of a JSON flag";
}

TEST(Flags, DefaultsThatMovedAreOfTheVersion) {
  EXPECT_EQ(table("0.10.2").moved_defaults().at("gpu-memory-utilization"), "0.9");
  EXPECT_EQ(table("0.32.0").moved_defaults().at("gpu-memory-utilization"), "0.92");
}

TEST(Versions, AreReadFromWhateverIsAround) {
  EXPECT_EQ(*parse_vllm_version("0.32.0+cpu"), (VllmVersion{0, 32, 0}));
  EXPECT_EQ(*parse_vllm_version("Triton is missing\nvllm 0.11.1rc3"), (VllmVersion{0, 11, 1}));
  EXPECT_EQ(*parse_vllm_version("0.17"), (VllmVersion{0, 17, 0}));
  EXPECT_LT(*parse_vllm_version("0.9.2"), *parse_vllm_version("0.10.0"));
  for (const char* bad : {"", "vllm", "1", "v.1.2"}) EXPECT_FALSE(parse_vllm_version(bad)) << bad;
}

}  // namespace
}  // namespace qeval
