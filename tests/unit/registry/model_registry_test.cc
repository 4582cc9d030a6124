#include "qeval/registry/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "fake_hub.h"
#include "qeval/registry/preset_registry.h"
#include "qeval/registry/published.h"

namespace qeval {
namespace {
using testing::HasSubstr;

std::vector<ModelSpec> shipped() {
  auto models = load_models("");
  EXPECT_TRUE(models) << models.error().message;
  return models ? *models : std::vector<ModelSpec>{};
}

ModelSpec named(const std::string& id) {
  auto model = find_model(shipped(), id);
  EXPECT_TRUE(model) << model.error().message;
  return model ? *model : ModelSpec{};
}

TEST(Models, EveryRowIsComplete) {
  std::set<std::string> ids;
  for (const ModelSpec& m : shipped()) {
    EXPECT_TRUE(ids.insert(m.id).second) << m.id;
    EXPECT_THAT(m.hf_id, HasSubstr("/")) << m.id;
    for (const std::string& text : {m.name, m.family, m.license, m.priority, m.kind, m.thinking, m.tool_format})
      EXPECT_FALSE(text.empty()) << m.id;
    for (double number : {m.params_b, m.active_params_b, m.size_gb}) EXPECT_GT(number, 0) << m.id;
    for (int number :
         {m.n_layers, m.n_kv_layers, m.d_model, m.n_heads, m.n_kv_heads, m.head_dim, m.d_ff, m.vocab, m.context})
      EXPECT_GT(number, 0) << m.id;
    EXPECT_GE(m.stop_ids.size(), 2U) << m.id;
    EXPECT_EQ(m.n_kv_layers<m.n_layers, m.state_mib_per_seq> 0) << m.id;
    EXPECT_TRUE(m.thinking == "none" || m.thinking == "switch" || m.thinking == "always") << m.id;
    EXPECT_TRUE(m.tool_format == "none" || m.tool_format == "hermes" || m.tool_format == "xml") << m.id;
    EXPECT_EQ(m.thinking == "always", m.kind == "thinking") << m.id;
    EXPECT_FALSE(m.thinking == "none" && m.thinking_default) << m.id;
    EXPECT_TRUE(m.yarn_factor <= 1 || m.context_extended > m.context) << m.id;
    EXPECT_TRUE(m.kind == "base" || m.kind == "math" || m.sampling.contains("default") || m.family == "smollm2")
        << m.id;
  }
}

TEST(Models, ParametersFollowFromTheShape) {
  size_t n = 0;
  for (const ModelSpec& m : shipped()) {
    if (m.id == "qwen3.8-flash-next") continue;  // its n-gram table and index are not in the shape
    double computed = params_from_shape(m);
    EXPECT_NEAR(computed / m.params_b, 1, 0.01)
        << m.id << ": " << computed << " from the shape, " << m.params_b << " stated";
    EXPECT_NEAR(m.size_gb / (2 * m.params_b), 1, 0.01) << m.id;
    ++n;
  }
  EXPECT_GE(n, 74U);
}

// engines.md's table of KV per token, and the family tables.
TEST(Models, KvAndStateOfKnownModels) {
  EXPECT_EQ(kv_bytes_per_token(named("qwen2.5-7b-instruct")), 56 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen2.5-14b-instruct")), 192 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen3-8b")), 144 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen3-14b")), 160 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen3.5-4b")), 32 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen3.5-27b")), 64 * 1024);
  EXPECT_EQ(kv_bytes_per_token(named("qwen3.8-2.4t-a95b")), 92 * 1024);
  EXPECT_NEAR(named("qwen3.5-27b").state_mib_per_seq, 149.6, 0.1);
}

TEST(Models, TheFirstTrackersIdsKeepTheirWeightsAndSaySo) {
  EXPECT_EQ(named("qwen3_8b").hf_id, "Qwen/Qwen2.5-7B-Instruct");
  EXPECT_EQ(named("qwen3_14b").hf_id, "Qwen/Qwen2.5-14B-Instruct");
  EXPECT_THAT(named("qwen3_8b").identity_note, HasSubstr("Qwen2.5-7B-Instruct"));
  EXPECT_EQ(named("qwen3-8b").hf_id, "Qwen/Qwen3-8B");
  EXPECT_TRUE(named("qwen3-8b").identity_note.empty());
}

TEST(Models, TheTrapsAreInTheRows) {
  for (const ModelSpec& m : shipped()) {
    if (m.family.compare(0, 4, "qwen") != 0) continue;
    std::set<int> stops(m.stop_ids.begin(), m.stop_ids.end());
    bool from_35 = m.vocab == 248320;
    EXPECT_TRUE(stops.count(from_35 ? 248046 : 151645) && stops.count(from_35 ? 248044 : 151643)) << m.id;
  }
  EXPECT_FALSE(named("qwen3.5-0.8b").thinking_default);
  EXPECT_FALSE(named("qwen3.5-2b").thinking_default);
  EXPECT_TRUE(named("qwen3.5-4b").thinking_default);
  EXPECT_TRUE(named("qwen3-8b").thinking_default);
  EXPECT_EQ(named("qwen3-4b-instruct-2507").thinking, "none");
  EXPECT_EQ(named("qwen3-4b-thinking-2507").thinking, "always");
  EXPECT_EQ(named("qwen3-coder-30b-a3b-instruct").tool_format, "xml");
  EXPECT_EQ(named("qwen2.5-0.5b-instruct").context_extended, 0) << "YaRN from 7B";
  EXPECT_EQ(named("qwen2.5-7b-instruct").context_extended, 131072);
  EXPECT_EQ(named("qwen2.5-math-7b-instruct").context, 4096);
}

TEST(Models, AreFoundByIdAndHfIdAndNearMatches) {
  auto models = shipped();
  EXPECT_EQ(find_model(models, "QWEN3-8B")->id, "qwen3-8b");
  EXPECT_EQ(find_model(models, "Qwen/Qwen3-8B")->id, "qwen3-8b");
  auto none = find_model(models, "qwen3-9b");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(none.error().message, HasSubstr("qwen3-8b"));
  EXPECT_FALSE(find_model(models, std::string(100000, 'q')));
}

TEST(Models, AUsersRowWins) {
  ScratchDir scratch;
  std::ofstream(scratch.path + "/mine.yaml")
      << "models:\n  - {id: qwen3-8b, hf_id: Me/Mine, params_b: 1}\n  - {id: new, hf_id: Me/New}\n";
  auto models = load_models(scratch.path);
  ASSERT_TRUE(models) << models.error().message;
  EXPECT_EQ(find_model(*models, "qwen3-8b")->hf_id, "Me/Mine");
  EXPECT_EQ(find_model(*models, "new")->file, scratch.path + "/mine.yaml");
  EXPECT_EQ(models->size(), shipped().size() + 1);
}

struct BadYaml {
  const char *yaml, *expected;
};
class ModelErrors : public testing::TestWithParam<BadYaml> {};
TEST_P(ModelErrors, NameFileKeyAndWhatWasExpected) {
  auto models = parse_models(GetParam().yaml, "m.yaml");
  ASSERT_FALSE(models) << GetParam().yaml;
  EXPECT_EQ(models.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(models.error().message, HasSubstr("m.yaml"));
  EXPECT_THAT(models.error().message, HasSubstr(GetParam().expected));
}
INSTANTIATE_TEST_SUITE_P(
    Models, ModelErrors,
    testing::Values(BadYaml{"models: [{id: a, parms_b: 3}]", "unknown key “parms_b”; did you mean params_b"},
                    BadYaml{"models:\n  - id: ok\n  - id: a\n    n_layers: many\n", "m.yaml:4"},
                    BadYaml{"models: [{id: a, n_layers: many}]", "an integer of 0 or more was expected"},
                    BadYaml{"models: [{id: a, n_layers: 99999999999}]", "an integer"},
                    BadYaml{"models: [{id: a, n_layers: -5}]", "n_layers"},
                    BadYaml{"models: [{id: a, stop_ids: [x]}]", "list of integers"},
                    BadYaml{"models: [{name: a}]", "no id"}, BadYaml{"models: [{id: a}, {id: a}]", "twice"},
                    BadYaml{"models: 3", "a list"}, BadYaml{"models: [3]", "map of keys"},
                    BadYaml{"defaults: 3\nmodels: [{id: a}]", "defaults"},
                    BadYaml{"models: [{id: a, thinking: sometimes}]", "none, switch, always"},
                    BadYaml{"- a", "a list under"}, BadYaml{"models: [{id: a, params_b: .nan}]", "params_b"}));

TEST(Models, ARowSurvivesWritingAndReading) {
  for (const ModelSpec& m : shipped()) {
    auto again = parse_models(model_yaml(m), "again.yaml");
    ASSERT_TRUE(again) << m.id << ": " << again.error().message;
    ModelSpec copy = again->front();
    copy.file = m.file;
    EXPECT_EQ(model_yaml(copy), model_yaml(m)) << m.id;
    EXPECT_EQ(copy.sampling, m.sampling);
    EXPECT_EQ(copy.thinking_default, m.thinking_default);
  }
}

TEST(Presets, HoldTheDesignsValues) {
  auto presets = load_presets("");
  ASSERT_TRUE(presets) << presets.error().message;
  ASSERT_EQ(presets->size(), 3U);
  const Preset &performance = (*presets)[0], &balanced = (*presets)[1], &small = (*presets)[2];
  EXPECT_EQ(performance.name, "performance");
  EXPECT_DOUBLE_EQ(performance.gpu_memory_utilization, 0.9);
  EXPECT_EQ(performance.max_num_seqs, 128);
  EXPECT_EQ(performance.evaluation_batch_size, 16);
  EXPECT_TRUE(performance.prefix_caching && performance.v2_block_manager);
  EXPECT_EQ(balanced.name, "balanced");
  EXPECT_DOUBLE_EQ(balanced.gpu_memory_utilization, 0.85);
  EXPECT_EQ(balanced.max_num_seqs, 64);
  EXPECT_EQ(balanced.evaluation_batch_size, 8);
  EXPECT_TRUE(balanced.prefix_caching && !balanced.v2_block_manager);
  EXPECT_EQ(small.name, "memory_optimized");
  EXPECT_DOUBLE_EQ(small.gpu_memory_utilization, 0.7);
  EXPECT_EQ(small.max_num_seqs, 32);
  EXPECT_EQ(small.evaluation_batch_size, 4);
  EXPECT_FALSE(small.prefix_caching);
  for (const Preset& p : *presets) {
    EXPECT_EQ(p.quantization_method, "none");
    EXPECT_EQ(p.max_model_len, 32768);
    EXPECT_DOUBLE_EQ(p.agent_temperature, 0.1);
  }
  EXPECT_THAT(preset_notes(performance, "vllm")[0], HasSubstr("V2 block manager"));
  EXPECT_THAT(find_preset(*presets, "balance").error().message, HasSubstr("did you mean balanced"));
}

TEST(Presets, WrongValuesAreNamed) {
  for (const char* yaml : {"name: a\nmax_num_seqs: 0", "name: a\ngpu_memory_utilization: 1.5", "max_num_seqs: 3",
                           "name: a\nbatch: 3", "name: a\nmax_num_seqs: lots", "3",
                           "name: a\ngpu_memory_utilization: .nan", "name: a\nevaluation_batch_size: -1"}) {
    auto preset = parse_preset(yaml, "p.yaml");
    ASSERT_FALSE(preset) << yaml;
    EXPECT_EQ(preset.error().kind, ErrorKind::bad_input);
    EXPECT_THAT(preset.error().message, HasSubstr("p.yaml")) << yaml;
  }
}

TEST(Published, ExactRowsAndOthers) {
  auto scores = load_published();
  ASSERT_TRUE(scores) << scores.error().message;
  auto value = [&](const std::string& hf_id, const std::string& task, int shots) {
    for (const PublishedScore& s : *scores)
      if (s.hf_id == hf_id && s.task == task && s.num_fewshot == shots) return s.value;
    return std::nan("");
  };
  EXPECT_NEAR(value("Qwen/Qwen2.5-7B-Instruct", "gsm8k", 5), 0.8036, 1e-9);
  EXPECT_NEAR(value("Qwen/Qwen2.5-0.5B-Instruct", "arc_challenge", 25), 0.3362, 1e-9);
  EXPECT_NEAR(value("Qwen/Qwen2.5-14B-Instruct", "hellaswag", 10), 0.8530, 1e-9);
  EXPECT_NEAR(value("HuggingFaceTB/SmolLM2-135M-Instruct", "hellaswag", 0), 0.4299, 1e-9);
  EXPECT_NEAR(value("HuggingFaceTB/SmolLM2-135M-Instruct", "arc_easy", 0), 0.5412, 1e-9);
  for (const PublishedScore& s : *scores) {
    EXPECT_FALSE(s.source.empty());
    EXPECT_FALSE(s.task_family.empty());
    double most = s.task_family == "mt_bench" ? 10 : 1;
    EXPECT_TRUE(s.value > 0 && s.value <= most) << s.hf_id << " " << s.task_family;
    EXPECT_TRUE(s.task.empty() || (!s.metric.empty() && s.num_fewshot >= 0 && s.chat_template.has_value())) << s.task;
  }
}

TEST(Published, WrongTablesAreNamed) {
  for (const char* yaml :
       {"tables: 3", "tables: [{columns: [{family: a}], rows: {m: [1, 2]}}]",
        "tables: [{columns: [{family: a}], rows: {m: [x]}}]", "tables: [{columns: [{famly: a}], rows: {m: [1]}}]",
        "tables: [{rows: {m: [1]}}]", "tables: [{columns: [3], rows: {m: [1]}}]", "tables: [3]",
        "tables: [{columns: 3, rows: 4}]"}) {
    auto scores = parse_published(yaml, "p.yaml");
    ASSERT_FALSE(scores) << yaml;
    EXPECT_THAT(scores.error().message, HasSubstr("p.yaml"));
  }
}

}  // namespace
}  // namespace qeval
