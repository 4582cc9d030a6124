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

const double kTinyBytes = weight_bytes(facts().model, facts().serving);

double flat(double) { return 1; }

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
  Calibration known = calibrate({{1, first}}, "llama", "a CPU", "tiny", kTinyBytes);
  EXPECT_DOUBLE_EQ(known.decode.at(4, flat), decode);
  EXPECT_NE(known.source.find("run 1"), std::string::npos);
  Json second = predict_run(facts(), measured(2, 1), known);
  EXPECT_NEAR(json_number(second, "expected_busy_s"), 3, 1e-9) << "the same work again takes what it took";
  EXPECT_NEAR(json_number(second, "expected_generated_tok_s"), 500.0 / 3, 1e-6);
}

TEST(Calibration, OnlyTheSameEngineAndHardwareCount) {
  Json record = predict_run(facts(), measured(2, 1), {});
  EXPECT_FALSE(calibrate({{1, record}}, "vllm", "a CPU", "tiny", kTinyBytes).decode.known());
  EXPECT_FALSE(calibrate({{1, record}}, "llama", "another", "tiny", kTinyBytes).decode.known());
  EXPECT_TRUE(calibrate({{1, record}}, "llama", "a CPU", "another model", kTinyBytes).decode.known()) << "for want of a better one";
  EXPECT_EQ(calibrate({}, "llama", "a CPU", "tiny", kTinyBytes).source, "");
}

TEST(Calibration, TheSameModelGoesBeforeOthersAndTheMedianBeforeOutliers) {
  std::vector<EarlierRun> runs;
  for (double s : {1.0, 2.0, 50.0}) runs.push_back({static_cast<int64_t>(runs.size() + 1), predict_run(facts(), measured(s, 1), {})});
  Json other = predict_run(facts(), measured(0.5, 1), {});
  other["model"] = "other";
  runs.push_back({9, other});
  Calibration known = calibrate(runs, "llama", "a CPU", "tiny", kTinyBytes);
  EXPECT_DOUBLE_EQ(known.decode.at(4, flat), json_number(runs[1].predicted, "decode_efficiency"));
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
  const Calibration known = calibrate(runs, "llama", "a CPU", "tiny", kTinyBytes);
  EXPECT_DOUBLE_EQ(known.decode.at(1, flat), few);
  EXPECT_DOUBLE_EQ(known.decode.at(64, flat), many);
  // A step takes 1/few s at one stream and 1/many s at 16, a third of the way longer at six.
  EXPECT_NEAR(1 / known.decode.at(6, flat), 1 / few + (1 / many - 1 / few) / 3, 1e-9);
}

TEST(Calibration, UncalibratedIsTheRooflineItself) {
  Json record = predict_run(facts(), measured(2, 1), {});
  EXPECT_NEAR(json_number(record, "expected_busy_s"), json_number(record, "roofline_prefill_s") + json_number(record, "roofline_decode_s"), 1e-12);
  EXPECT_EQ(json_string(record, "calibrated_by"), "");
}

TEST(Calibration, OtherWeightsOfTheSameNameAreAnotherModel) {
  RunFacts large = facts();
  large.model.weight_bytes = 20 * kTinyBytes;
  const Json small_run = predict_run(facts(), measured(2, 1), {}), large_run = predict_run(large, measured(3, 1), {});
  const std::vector<EarlierRun> runs = {{1, small_run}, {2, large_run}};
  EXPECT_EQ(calibrate(runs, "llama", "a CPU", "tiny", kTinyBytes).source, "run 1 on a CPU");
  EXPECT_EQ(calibrate(runs, "llama", "a CPU", "tiny", 20 * kTinyBytes).source, "run 2 on a CPU");
  EXPECT_EQ(calibrate(runs, "llama", "a CPU", "other", 50 * kTinyBytes).source, "run 2 on a CPU") << "the nearest in size";
}

TEST(LlamaMemory, CountsTheCachesOfWhatIsAsked) {
  const RunFacts f = facts();
  const LlamaMemory answers = llama_memory(f, {300, 0, 0}), choices = llama_memory(f, {0, 300, 0}), both = llama_memory(f, {300, 300, 0});
  EXPECT_DOUBLE_EQ(both.kv_bytes, answers.kv_bytes + choices.kv_bytes);
  EXPECT_DOUBLE_EQ(both.compute_bytes, answers.compute_bytes + choices.compute_bytes);
  EXPECT_DOUBLE_EQ(choices.kv_bytes, 1024 * kv_bytes_per_token(f.model, f.serving)) << "one request and a micro-batch, padded";
  EXPECT_EQ(llama_memory(f, {}).kv_bytes, 0);
  EXPECT_DOUBLE_EQ(llama_memory(f, {300, 0, 5}).kv_bytes, 5 * 512 * kv_bytes_per_token(f.model, f.serving)) << "no more streams than answers";
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
