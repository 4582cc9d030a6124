#include <gtest/gtest.h>

#include "qeval/report/tracker_sections.h"

namespace qeval {
namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(TrackerServing, NothingMeasuredSaysNothing) { EXPECT_EQ(serving_lines(RunPerformance{}), ""); }

TEST(TrackerServing, EnergyServerAndDisturbances) {
  RunPerformance p;
  p.usage = {{"power_w", 412.4}, {"energy_j", 20620.0}, {"energy_j_per_1000_tokens", 34.6}, {"highest_temperature_c", 71},
             {"throttled", {{"power cap", 0.25}}}, {"foreign_processes", 1}};
  p.server = {{"running_mean", 12.25}, {"running_peak", 64}, {"kv_usage_mean", 0.11}, {"kv_usage_peak", 0.4}, {"prefix_hit_share", 0.5}, {"preemptions", 3}};
  std::string text = serving_lines(p);
  EXPECT_TRUE(holds(text, "412 W on average, 20620 J in all, 34.6 J per 1,000 generated tokens; 71 °C at most")) << text;
  EXPECT_TRUE(holds(text, "12.2 requests at a time (at most 64), KV cache 11 % full (at most 40 %), prefix cache hits 50 %")) << text;
  EXPECT_TRUE(holds(text, "slowed down (power cap) 25 % of the time; 1 other processes computed on the device; 3 preemptions")) << text;
}

TEST(TrackerServing, PredictionStandsBesideTheMeasurement) {
  RunPerformance p;
  p.generated_tok_s = 90;
  p.model_bytes = 900;
  p.kv_bytes = 50;
  p.compute_bytes = 50;
  p.predicted = {{"hardware", "H"}, {"expected_generated_tok_s", 100.0}, {"calibrated_by", "run 1 on H"}, {"memory_bytes", 1000.0}, {"decode_efficiency", 0.4}};
  std::string text = serving_lines(p);
  EXPECT_TRUE(holds(text, "**Predicted:** 100.00 tokens/second generated (measured 0.90 of it), by the efficiency of run 1 on H")) << text;
  EXPECT_TRUE(holds(text, "(measured 1.00 of it); answers reached 40.0 %")) << text;
  p.predicted["calibrated_by"] = "";
  EXPECT_TRUE(holds(serving_lines(p), "at the roofline of H"));
}

}  // namespace
}  // namespace qeval
