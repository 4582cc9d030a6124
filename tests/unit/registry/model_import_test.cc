#include "qeval/registry/model_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fake_hub.h"
#include "qeval/registry/model_registry.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

Json json(const std::string& text) { return *parse_json(text); }

ModelSpec made(const std::string& hf_id, const std::string& config, const std::string& generation = "null") {
  auto model = model_from_files({hf_id, json(config), json(generation), ""});
  EXPECT_TRUE(model) << model.error().message;
  return model ? *model : ModelSpec{};
}

// The shapes as their config.json states them.
constexpr const char* kQwen25_7b =
    R"({"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
  "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768, "tie_word_embeddings": false, "eos_token_id": 151645})";
constexpr const char* kQwen3_8b =
    R"({"model_type": "qwen3", "head_dim": 128, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
  "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": false, "eos_token_id": 151645})";
constexpr const char* kQwen3_30b =
    R"({"model_type": "qwen3_moe", "head_dim": 128, "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
  "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 151936,
  "max_position_embeddings": 262144, "tie_word_embeddings": false})";
constexpr const char* kNext =
    R"({"model_type": "qwen3_next", "head_dim": 256, "hidden_size": 2048, "intermediate_size": 5120, "moe_intermediate_size": 512,
  "shared_expert_intermediate_size": 512, "num_experts": 512, "num_experts_per_tok": 10, "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2,
  "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
  "full_attention_interval": 4, "vocab_size": 151936, "max_position_embeddings": 262144, "tie_word_embeddings": false})";
constexpr const char* kQwen35_08b =
    R"({"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text", "head_dim": 256, "hidden_size": 1024, "intermediate_size": 3584,
  "num_hidden_layers": 8, "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention", "linear_attention", "linear_attention", "linear_attention", "full_attention"],
  "num_attention_heads": 8, "num_key_value_heads": 2, "linear_num_key_heads": 16, "linear_num_value_heads": 16, "vocab_size": 248320, "max_position_embeddings": 262144,
  "eos_token_id": 248044}, "tie_word_embeddings": true})";

TEST(ModelImport, DenseModels) {
  ModelSpec m = made(
      "Qwen/Qwen2.5-7B-Instruct", kQwen25_7b,
      R"({"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05, "eos_token_id": [151645, 151643]})");
  EXPECT_EQ(m.id, "qwen2.5-7b-instruct");
  EXPECT_EQ(m.family, "qwen2.5");
  EXPECT_EQ(m.kind, "instruct");
  EXPECT_NEAR(m.params_b, 7.616, 0.001);
  EXPECT_EQ(m.head_dim, 128);
  EXPECT_EQ(m.n_kv_layers, 28);
  EXPECT_EQ(m.state_mib_per_seq, 0);
  EXPECT_EQ(m.thinking, "none");
  EXPECT_EQ(m.tool_format, "hermes");
  EXPECT_THAT(m.stop_ids, ElementsAre(151645, 151643));
  EXPECT_DOUBLE_EQ(json_number(m.sampling["default"], "repetition_penalty"), 1.05);
  m = made("Qwen/Qwen3-8B", kQwen3_8b);
  EXPECT_NEAR(m.params_b, 8.191, 0.001);
  EXPECT_EQ(m.kind, "hybrid-thinking");
  EXPECT_TRUE(m.thinking_default);
  EXPECT_EQ(m.context, 40960);
  EXPECT_EQ(m.context_extended, 131072);
  EXPECT_EQ(m.vllm_min, "0.8.5");
  EXPECT_EQ(made("Qwen/Qwen3-8B-Base", kQwen3_8b).kind, "base");
  EXPECT_EQ(made("Qwen/Qwen3-8B-Base", kQwen3_8b).thinking, "none");
}

TEST(ModelImport, MixturesAndHybrids) {
  ModelSpec m = made("Qwen/Qwen3-30B-A3B-Thinking-2507", kQwen3_30b);
  EXPECT_NEAR(m.params_b, 30.53, 0.02);
  EXPECT_NEAR(m.active_params_b, 3.35, 0.02);
  EXPECT_EQ(m.thinking, "always");
  EXPECT_EQ(m.n_experts_used, 8);
  m = made("Qwen/Qwen3-Next-80B-A3B-Instruct", kNext);
  EXPECT_NEAR(m.params_b, 79.67, 0.1);
  EXPECT_EQ(m.n_kv_layers, 12);
  EXPECT_NEAR(m.state_mib_per_seq, 75.4, 0.05);
  EXPECT_EQ(m.n_experts_used, 11);
  EXPECT_EQ(m.family, "qwen3");
  m = made("Qwen/Qwen3.5-0.8B", kQwen35_08b);
  EXPECT_EQ(m.n_kv_layers, 2);
  EXPECT_TRUE(m.tied_embeddings);
  EXPECT_THAT(m.stop_ids, ElementsAre(248046, 248044));
  EXPECT_EQ(m.tool_format, "xml");
  EXPECT_EQ(m.thinking, "switch");
  EXPECT_FALSE(m.thinking_default);
  EXPECT_EQ(m.vllm_min, "0.17");
}

// What the shipped rows state was computed elsewhere: both ways must agree.
TEST(ModelImport, AgreesWithTheShippedRows) {
  auto models = load_models("");
  ASSERT_TRUE(models);
  for (auto [config, hf_id] : {std::pair(kQwen25_7b, "Qwen/Qwen2.5-7B-Instruct"),
                               {kQwen3_8b, "Qwen/Qwen3-8B"},
                               {kQwen3_30b, "Qwen/Qwen3-30B-A3B-Instruct-2507"},
                               {kNext, "Qwen/Qwen3-Next-80B-A3B-Instruct"}}) {
    ModelSpec mine = made(hf_id, config);
    ModelSpec row = *find_model(*models, mine.id);
    EXPECT_EQ(row.hf_id, mine.hf_id);
    EXPECT_NEAR(mine.params_b / row.params_b, 1, 0.01) << mine.id;
    EXPECT_NEAR(mine.active_params_b / row.active_params_b, 1, 0.3) << mine.id;
    EXPECT_NEAR(mine.state_mib_per_seq, row.state_mib_per_seq, 0.06) << mine.id;
    EXPECT_EQ(std::tie(mine.n_layers, mine.n_kv_layers, mine.d_model, mine.n_heads, mine.n_kv_heads, mine.head_dim,
                       mine.d_ff, mine.vocab, mine.n_experts, mine.n_experts_used, mine.context),
              std::tie(row.n_layers, row.n_kv_layers, row.d_model, row.n_heads, row.n_kv_heads, row.head_dim, row.d_ff,
                       row.vocab, row.n_experts, row.n_experts_used, row.context))
        << mine.id;
    EXPECT_EQ(std::tie(mine.kind, mine.thinking, mine.thinking_default, mine.tool_format, mine.family),
              std::tie(row.kind, row.thinking, row.thinking_default, row.tool_format, row.family))
        << mine.id;
  }
}

TEST(ModelImport, LicenceComesFromTheFrontMatter) {
  auto with = [&](const std::string& readme) {
    return model_from_files({"Qwen/Qwen3-8B", json(kQwen3_8b), nullptr, readme})->license;
  };
  EXPECT_EQ(with("---\nlicense: apache-2.0\n---\nlicense: mit"), "Apache-2.0");
  EXPECT_EQ(with("---\ntags: [x]\nlicense: other\nlicense_name: \"qwen-research\"\n---\n"), "qwen-research");
  EXPECT_EQ(with("no front matter\nlicense: mit\n"), "");
  EXPECT_EQ(with("---"), "");
}

TEST(ModelImport, WrongFilesAreNamed) {
  auto error_of = [](const std::string& config) {
    auto model = model_from_files({"a/b", json(config), nullptr, ""});
    EXPECT_FALSE(model) << config;
    return model ? "" : model.error().message;
  };
  EXPECT_THAT(error_of("{}"), HasSubstr("model_type"));
  EXPECT_THAT(error_of("[]"), HasSubstr("an object"));
  EXPECT_THAT(error_of(R"({"model_type": "gemma4"})"), HasSubstr("\"gemma4\" is not known"));
  EXPECT_THAT(error_of(R"({"model_type": "qwen3"})"), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(error_of(R"({"model_type": "qwen3", "num_hidden_layers": "x"})"), HasSubstr("a whole number"));
  EXPECT_THAT(error_of(R"({"model_type": "qwen3", "num_hidden_layers": 99999999999999})"), HasSubstr("a whole number"));
  EXPECT_THAT(
      error_of(
          R"({"model_type": "qwen3", "num_hidden_layers": 0, "hidden_size": 0, "num_attention_heads": 0, "vocab_size": 0, "intermediate_size": 0})"),
      HasSubstr("must not be zero"));
  EXPECT_THAT(import_model("/nowhere").error().message, HasSubstr("/nowhere"));
  EXPECT_THAT(import_model("hf:a b").error().message, HasSubstr("hf:ORG/REPO"));
}

TEST(ModelImport, FromAFolder) {
  ScratchDir scratch;
  std::string folder = scratch.path + "/My_Tune-7B";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/config.json") << kQwen25_7b;
  for (const std::string& source : {folder, folder + "/config.json"}) {
    auto model = import_model(source);
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ(model->id, "my_tune-7b");
  }
  std::ofstream(folder + "/config.json") << "{broken";
  EXPECT_THAT(import_model(folder).error().message, HasSubstr("config.json: not valid JSON"));
}

TEST(ModelImport, FromTheHub) {
  FakeHub server;
  ScratchDir scratch;
  ::setenv("HF_ENDPOINT", server.url.c_str(), 1);
  ::setenv("HF_HUB_CACHE", scratch.path.c_str(), 1);
  auto model = import_model("hf:org/model");
  ASSERT_FALSE(model);  // its config.json holds nothing but the type
  EXPECT_THAT(model.error().message, HasSubstr("num_hidden_layers"));
  EXPECT_THAT(import_model("hf:org/missing").error().message, HasSubstr("no such repository"));
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("HF_HUB_CACHE");
}

}  // namespace
}  // namespace qeval
