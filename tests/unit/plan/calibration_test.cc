#include "qeval/plan/calibration.h"

#include <gtest/gtest.h>

#include "qeval/plan/cpu_speed.h"

namespace qeval {
namespace {

RunFacts facts() {
  RunFacts f;
  ModelShape shape;
  shape.architecture = "qwen3";
  shape.n_layers = shape.n_kv_layers = 4;
  shape.d_model = 256;
  shape.n_heads = 8;
  shape.n_kv_heads = 2;
  shape.head_dim = 32;
  shape.d_ff = 1024;
  shape.vocab = 1000;
  f.model = plan_model_from_shape(shape, "tiny");
  f.serving = *serving_of(Preset{}, "llama");
  f.hardware = {"cpu", "a CPU", 8e9, 1e10, 1e11, true, "given"};
  f.engine = "llama";
  return f;
}

RunPerformance measured(double decode_s, double prefill_s) {
  RunPerformance p;
  p.n_responses = 10;
  p.n_prompt_tokens = 1000;
  p.n_new_tokens = 500;
  p.n_decoded_tokens = 1500;
  p.decode_s = decode_s;
  p.prefill_s = prefill_s;
  p.decode_busy_s = decode_s + prefill_s;
  p.mean_streams = 4;
  p.longest_request_tokens = 300;
  return p;
}

TEST(Calibration, EfficiencyOfOneRunPredictsTheNext) {
  Json first = predict_run(facts(), measured(2, 1), {});
  double decode = json_number(first, "decode_efficiency");
  EXPECT_GT(decode, 0);
  EXPECT_LT(decode, 1);
  Calibration known = calibrate({{1, first}}, "llama", "a CPU", "tiny");
  EXPECT_DOUBLE_EQ(known.decode.at(4), decode);
  EXPECT_NE(known.source.find("run 1"), std::string::npos);
  Json second = predict_run(facts(), measured(2, 1), known);
  EXPECT_NEAR(json_number(second, "expected_busy_s"), 3, 1e-9) << "the same work again takes what it took";
  EXPECT_NEAR(json_number(second, "expected_generated_tok_s"), 500.0 / 3, 1e-6);
}

TEST(Calibration, OnlyTheSameEngineAndHardwareCount) {
  Json record = predict_run(facts(), measured(2, 1), {});
  EXPECT_FALSE(calibrate({{1, record}}, "vllm", "a CPU", "tiny").decode.known());
  EXPECT_FALSE(calibrate({{1, record}}, "llama", "another", "tiny").decode.known());
  EXPECT_TRUE(calibrate({{1, record}}, "llama", "a CPU", "another model").decode.known()) << "for want of a better one";
  EXPECT_EQ(calibrate({}, "llama", "a CPU", "tiny").source, "");
}

TEST(Calibration, TheSameModelGoesBeforeOthersAndTheMedianBeforeOutliers) {
  std::vector<EarlierRun> runs;
  for (double s : {1.0, 2.0, 50.0}) runs.push_back({static_cast<int64_t>(runs.size() + 1), predict_run(facts(), measured(s, 1), {})});
  Json other = predict_run(facts(), measured(0.5, 1), {});
  other["model"] = "other";
  runs.push_back({9, other});
  Calibration known = calibrate(runs, "llama", "a CPU", "tiny");
  EXPECT_DOUBLE_EQ(known.decode.at(4), json_number(runs[1].predicted, "decode_efficiency"));
  EXPECT_EQ(known.source, "runs 1, 2, 3 on a CPU");
}

TEST(Calibration, FewStreamsDoNotSpeakForMany) {
  std::vector<EarlierRun> runs;
  for (auto [streams, seconds] : {std::pair{1.0, 8.0}, {16.0, 1.0}}) {
    RunPerformance p = measured(seconds, 1);
    p.mean_streams = streams;
    runs.push_back({static_cast<int64_t>(runs.size() + 1), predict_run(facts(), p, {})});
  }
  const double few = json_number(runs[0].predicted, "decode_efficiency"), many = json_number(runs[1].predicted, "decode_efficiency");
  ASSERT_NE(few, many);
  const Calibration known = calibrate(runs, "llama", "a CPU", "tiny");
  EXPECT_DOUBLE_EQ(known.decode.at(1), few);
  EXPECT_DOUBLE_EQ(known.decode.at(64), many);
  EXPECT_NEAR(known.decode.at(4), std::sqrt(few * many), 1e-12) << "half way between 1 and 16 on a logarithmic axis";
}

TEST(Calibration, UncalibratedIsTheRooflineItself) {
  Json record = predict_run(facts(), measured(2, 1), {});
  EXPECT_NEAR(json_number(record, "expected_busy_s"), json_number(record, "roofline_prefill_s") + json_number(record, "roofline_decode_s"), 1e-12);
  EXPECT_EQ(json_string(record, "calibrated_by"), "");
}

// What the embedded engine reported (llama.cpp v0.5.0, CPU) for synthetic models of three sizes, 8 sequences, longest
// request of 259 to 512 tokens: weights, KV and graphs in bytes.
struct Measured {
  const char* architecture;
  int n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff, vocab;
  double weights, kv, compute;
};
TEST(LlamaMemory, IsWithinFivePercentOfWhatWasMeasured) {
  for (const Measured& m : {Measured{"qwen3", 4, 256, 4, 2, 64, 768, 300, 6.45e6, 9.44e6, 7.37e6},
                            Measured{"qwen3", 8, 512, 4, 2, 64, 1536, 300, 44.36e6, 18.87e6, 13.67e6},
                            Measured{"qwen2", 6, 896, 14, 2, 64, 4864, 151936, 239.76e6, 14.16e6, 170.57e6}}) {
    ModelShape shape;
    shape.architecture = m.architecture;
    shape.n_layers = shape.n_kv_layers = m.n_layers;
    shape.d_model = m.d_model;
    shape.n_heads = m.n_heads;
    shape.n_kv_heads = m.n_kv_heads;
    shape.head_dim = m.head_dim;
    shape.d_ff = m.d_ff;
    shape.vocab = m.vocab;
    PlanModel model = plan_model_from_shape(shape, "m");
    model.weight_bytes = m.weights;
    Preset preset;
    preset.max_num_seqs = 8;
    LlamaMemory memory = llama_memory(model, *serving_of(preset, "llama"), preset, 500);
    EXPECT_NEAR(memory.kv_bytes, m.kv, 0.01 * m.kv) << m.d_model;
    EXPECT_NEAR(memory.compute_bytes, m.compute, 0.05 * m.compute) << m.d_model;
    double measured = m.weights + m.kv + m.compute;
    EXPECT_NEAR(memory.total(), measured, 0.05 * measured) << m.d_model;
  }
}

TEST(CpuSpeed, IsPlausible) {
  CpuSpeed speed = measure_cpu(0.2, 1);
  EXPECT_GT(speed.bandwidth, 1e8);
  EXPECT_LT(speed.bandwidth, 1e12);
  EXPECT_GT(speed.flops, 1e8);
  EXPECT_LT(speed.flops, 1e12);
}

}  // namespace
}  // namespace qeval
