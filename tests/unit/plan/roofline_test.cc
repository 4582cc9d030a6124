#include "qeval/plan/roofline.h"

#include <gtest/gtest.h>

#include "qeval/plan/deployment.h"
#include "qeval/registry/model_registry.h"

namespace qeval {
namespace {

PlanModel model(const std::string& id) {
  static const std::vector<ModelSpec> models = *load_models("");
  auto spec = find_model(models, id);
  EXPECT_TRUE(spec) << id;
  auto out = plan_model_from_spec(*spec);
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return *out;
}

Hardware hardware(const std::string& id) { return *find_hardware(id); }

// The table of physical limits on an H100, as published to three or four digits.
struct Limits {
  const char* id;
  double weights_gb, kv_kib, one_stream, b64, b128, prefill;
  int64_t sequences_4k;
};
class PhysicalLimits : public testing::TestWithParam<Limits> {};

TEST_P(PhysicalLimits, AreReproduced) {
  const Limits& want = GetParam();
  PlanModel m = model(want.id);
  Serving s;
  Hardware h100 = hardware("h100");
  EXPECT_NEAR(weight_bytes(m, s) / 1e9, want.weights_gb, 0.006);
  EXPECT_DOUBLE_EQ(kv_bytes_per_token(m, s) / 1024, want.kv_kib);
  auto tokens_per_second = [&](double batch) { return batch / decode_step(m, s, h100, batch, 1024).seconds; };
  EXPECT_NEAR(tokens_per_second(1), want.one_stream, 0.6);
  EXPECT_NEAR(tokens_per_second(64), want.b64, want.b64 * 0.002);
  EXPECT_NEAR(tokens_per_second(128), want.b128, want.b128 * 0.002);
  EXPECT_NEAR(prefill_tokens_per_second(m, s, h100, 1024), want.prefill, want.prefill * 0.002);
  EXPECT_EQ(sequences_that_fit(m, s, 0.9 * h100.memory_bytes - weight_bytes(m, s), 4096), want.sequences_4k);
}
INSTANTIATE_TEST_SUITE_P(H100, PhysicalLimits,
                         testing::Values(Limits{"qwen2.5-7b-instruct", 15.23, 56, 236, 11980, 19800, 74600, 241},
                                         Limits{"qwen2.5-14b-instruct", 29.54, 192, 119, 5250, 7980, 36700, 52},
                                         Limits{"qwen3-8b", 16.38, 144, 219, 8650, 12440, 69700, 92},
                                         Limits{"qwen3-14b", 29.54, 160, 119, 5540, 8670, 36800, 63}));

// vLLM's attention block for hybrid models at one device and bf16.
TEST(HybridModels, BlocksAreAsLargeAsAState) {
  for (const auto& [id, block] : {std::pair{"qwen3.5-0.8b", 544}, {"qwen3.5-2b", 544}, {"qwen3.5-4b", 528}, {"qwen3.5-9b", 528},
                                  {"qwen3.5-27b", 784}, {"qwen3.5-35b-a3b", 1056}, {"qwen3.5-122b-a10b", 2096}, {"qwen3.5-397b-a17b", 2096},
                                  {"qwen3-next-80b-a3b-instruct", 544}})
    EXPECT_EQ(kv_block_tokens(model(id), Serving{}), block) << id;
}

TEST(HybridModels, OnlySomeLayersKeepKvAndEachSequenceAState) {
  PlanModel m = model("qwen3.5-4b");
  Serving s;
  EXPECT_DOUBLE_EQ(kv_bytes_per_token(m, s) / 1024, 32);
  s.vllm_paging = false;
  EXPECT_NEAR(state_bytes_per_sequence(m, s) / 1048576, 50.3, 0.05) << "llama.cpp keeps it in F32";
  EXPECT_EQ(kv_block_tokens(m, s), 1);
  Serving cached, plain;
  plain.prefix_caching = false;
  EXPECT_DOUBLE_EQ(state_bytes_per_sequence(m, cached), 2 * state_bytes_per_sequence(m, plain)) << "a prefix cache keeps a second one";
  EXPECT_DOUBLE_EQ(sequence_bytes(m, plain, 1), sequence_bytes(m, plain, 528)) << "whole blocks";
}

TEST(Experts, ABatchTouchesMoreOfThemThanAToken) {
  PlanModel m = model("qwen3-30b-a3b");
  Serving s;
  Hardware h = hardware("h100");
  double one = decode_step(m, s, h, 1, 0).bytes, many = decode_step(m, s, h, 256, 0).bytes;
  double table = m.embedding_params() * 2;
  EXPECT_NEAR(one, m.active_params * 2 - table, m.active_params * 2 * 0.02) << "one token reads what it passes";
  EXPECT_NEAR(many, m.params * 2 - table, m.params * 2 * 0.001) << "256 tokens read nearly all";
  EXPECT_LT(one, many / 8);
}

TEST(Parallel, SharesMemoryAndBandwidth) {
  PlanModel m = model("qwen2.5-72b-instruct");
  Serving one, four;
  four.tensor_parallel = 4;
  Hardware h = hardware("a100");
  EXPECT_NEAR(decode_step(m, one, h, 8, 1024).seconds / decode_step(m, four, h, 8, 1024).seconds, 4, 1e-9);
  Serving sixteen;
  sixteen.tensor_parallel = 16;
  EXPECT_DOUBLE_EQ(kv_bytes_per_token(m, sixteen), 2 * kv_bytes_per_token(m, one)) << "8 KV heads on 16 devices are kept twice";
}

DeploymentRequest request(const std::string& id, const std::string& device) {
  DeploymentRequest r;
  r.model = model(id);
  r.hardware = hardware(device);
  return r;
}

TEST(DeploymentPlan, SaysHowManyFitWhereAPromiseDoesNotHold) {
  DeploymentRequest r = request("qwen2.5-14b-instruct", "h100");
  r.preset.max_num_seqs = 128;
  r.preset.gpu_memory_utilization = 0.9;
  auto d = plan_deployment(r);
  ASSERT_TRUE(d);
  EXPECT_TRUE(d->weights_fit);
  EXPECT_FALSE(d->promise_holds);
  EXPECT_LT(d->fit_max_len, 8);
  EXPECT_GT(d->fit_max_len, 3);
  ASSERT_FALSE(d->notes.empty());
  EXPECT_NE(d->notes[0].find("128 sequences × 32768 tokens do not fit"), std::string::npos) << d->notes[0];
  EXPECT_NE(d->notes[0].find(std::to_string(d->fit_max_len) + " do"), std::string::npos) << d->notes[0];
  // What is said to fit does, and one block more does not.
  double each = d->kv_budget_bytes / 128;
  EXPECT_LE(sequence_bytes(r.model, d->serving, static_cast<double>(d->longest_for_preset)), each);
  EXPECT_GT(sequence_bytes(r.model, d->serving, static_cast<double>(d->longest_for_preset + d->kv_block_tokens)), each);
}

TEST(DeploymentPlan, WhatBindsIsNamed) {
  DeploymentRequest r = request("qwen2.5-14b-instruct", "h100");
  r.preset.max_num_seqs = 128;
  r.prompt_tokens = 4000;
  r.output_tokens = 96;
  r.concurrency = {1, 100};
  auto kv = plan_deployment(r);
  ASSERT_TRUE(kv);
  EXPECT_EQ(kv->rows[0].bound, "bandwidth");
  EXPECT_EQ(kv->rows[1].bound, "kv");
  EXPECT_EQ(kv->rows[1].running, kv->fit_expected);
  r.preset.max_num_seqs = 8;
  EXPECT_EQ(plan_deployment(r)->rows[1].bound, "scheduler");
  DeploymentRequest small = request("qwen2.5-0.5b-instruct", "l4");
  small.preset.max_num_seqs = 4096;
  small.prompt_tokens = 16;
  small.output_tokens = 16;
  small.concurrency = {4096};
  EXPECT_EQ(plan_deployment(small)->rows[0].bound, "compute");
}

TEST(DeploymentPlan, WeightsThatDoNotFitAreSaid) {
  auto d = plan_deployment(request("qwen2.5-72b-instruct", "h100"));
  ASSERT_TRUE(d);
  EXPECT_FALSE(d->weights_fit);
  ASSERT_EQ(d->notes.size(), 1u);
  EXPECT_NE(d->notes[0].find("does not fit"), std::string::npos);
  DeploymentRequest r = request("qwen2.5-72b-instruct", "h100");
  r.preset.vllm = {{"tensor_parallel_size", 4}};
  EXPECT_TRUE(plan_deployment(r)->weights_fit);
  r.preset.vllm = {{"quantization", "awq"}};
  EXPECT_TRUE(plan_deployment(r)->weights_fit);
}

TEST(DeploymentPlan, TheEmbeddedEngineLeavesRoomForCudaOnADevice) {
  DeploymentRequest r = request("qwen3-0.6b", "h100");
  r.engine = "llama";
  const double on_device = plan_deployment(r)->activation_bytes;
  r.hardware.is_cpu = true;
  EXPECT_NEAR(on_device - plan_deployment(r)->activation_bytes, 1.3e9, 0.1e9) << "an H200 showed 1.2 to 1.3 GB";
}

TEST(DeploymentPlan, SettingsWithoutMeaningAreErrors) {
  DeploymentRequest r = request("qwen3-8b", "h100");
  r.preset.vllm = {{"tensor_parallel_size", 0}};
  EXPECT_FALSE(plan_deployment(r));
  r.preset.vllm = {{"quantization", "magic"}};
  auto d = plan_deployment(r);
  ASSERT_FALSE(d);
  EXPECT_NE(d.error().message.find("magic"), std::string::npos);
}

TEST(DeploymentPlan, EfficiencyScalesWhatIsExpected) {
  DeploymentRequest r = request("qwen3-8b", "h100");
  r.decode_efficiency = EfficiencyCurve({{8, 0.5}});
  r.prefill_efficiency = 0.5;
  auto d = plan_deployment(r);
  ASSERT_TRUE(d);
  for (const ThroughputRow& t : d->rows) {
    EXPECT_DOUBLE_EQ(*t.expected, t.tokens_per_second / 2);
    EXPECT_NEAR(*t.expected_sustained, t.sustained / 2, 1e-6);
    EXPECT_LT(t.sustained, t.tokens_per_second);
  }
}

TEST(HardwareTable, FindsByIdDeviceNameAndNumbers) {
  EXPECT_EQ(find_hardware("RTX-4090")->id, "rtx4090");
  EXPECT_EQ(hardware_for_device("NVIDIA L40S", 45e9)->id, "l40s");
  EXPECT_EQ(hardware_for_device("NVIDIA H100 80GB HBM3", 85.5e9)->memory_bytes, 85.5e9);
  EXPECT_EQ(hardware_for_device("Tesla T4", 16e9).error().kind, ErrorKind::not_found);
  EXPECT_DOUBLE_EQ(find_hardware("mine:48:900:200")->bandwidth, 900e9);
  for (const char* bad : {"mine:48:900", "mine:0:1:1", "mine:x:1:1", "tpu"}) EXPECT_FALSE(find_hardware(bad)) << bad;
}

}  // namespace
}  // namespace qeval
