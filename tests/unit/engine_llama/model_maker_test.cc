#include "qeval/engine/llama/model_maker.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "qeval/engine/llama/llama_engine.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#include "synthetic_support.h"

namespace qeval {
namespace {

class ModelMaker : public testing::TestWithParam<const char*> {};

TEST_P(ModelMaker, LoadsAndReportsItsShape) {
  const std::string path = synthetic_model(GetParam());
  auto weights = inspect_gguf(path);
  ASSERT_TRUE(weights.has_value()) << weights.error().message;
  EXPECT_EQ(weights->architecture, GetParam());
  EXPECT_EQ(weights->quantization, "F32");
  EXPECT_LT(weights->size_bytes, 20'000'000);
  EXPECT_GT(weights->params_b, 0);
  EXPECT_EQ(weights->tokenizer_hash.size(), 64u);
  EXPECT_EQ(weights->chat_template_hash.size(), 64u);
  auto engine = load_synthetic(path);
  ASSERT_TRUE(engine);
  EXPECT_EQ(engine->info().max_model_len, 2048);
  EXPECT_TRUE(engine->info().can.loglikelihood);
  EXPECT_EQ(engine->info().settings["type_k"], "f32");  // F32 weights: attention in F32
}
INSTANTIATE_TEST_SUITE_P(Architectures, ModelMaker, testing::Values("qwen2", "qwen3", "qwen3moe", "qwen35"));

TEST(ModelMakerFiles, SameSeedSameBytes) {
  SyntheticModelOptions options = tiny_options("qwen3");
  const std::string a = temp_path("a.gguf"), b = temp_path("b.gguf"), c = temp_path("c.gguf");
  ASSERT_TRUE(make_synthetic_gguf(options, a));
  ASSERT_TRUE(make_synthetic_gguf(options, b));
  options.seed = 2;
  ASSERT_TRUE(make_synthetic_gguf(options, c));
  EXPECT_EQ(sha256_file(a).value(), sha256_file(b).value());
  EXPECT_NE(sha256_file(a).value(), sha256_file(c).value());
}

TEST(ModelMakerFiles, WritesEachTypeAndRequantises) {
  for (const char* type : {"F16", "BF16", "Q8_0", "Q4_K_M"}) {
    SyntheticModelOptions options = tiny_options("qwen3");
    options.d_model = 256;
    options.type = type;
    const std::string path = temp_path(std::string(type) + ".gguf");
    const Status made = make_synthetic_gguf(options, path);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    EXPECT_EQ(inspect_gguf(path)->quantization, type);
    const std::string again = temp_path(std::string(type) + "-f32.gguf");
    const Status status = requantise_gguf(path, again, "f32");
    ASSERT_TRUE(status.has_value()) << status.error().message;
    EXPECT_EQ(inspect_gguf(again)->quantization, "F32");
    EXPECT_TRUE(load_synthetic(again)) << type;
  }
}

TEST(ModelMakerFiles, FullWidthKeepsTheRowsShape) {
  SyntheticModelOptions options;
  options.like.id = "small";
  options.like.family = "qwen2.5";
  options.like.n_layers = 2;
  options.like.d_model = 64;
  options.like.n_heads = 4;
  options.like.n_kv_heads = 2;
  options.like.head_dim = 16;
  options.like.d_ff = 96;
  options.like.vocab = 400;
  options.like.context = 512;
  options.like.tied_embeddings = true;
  const std::string path = temp_path("full.gguf");
  ASSERT_TRUE(make_synthetic_gguf(options, path));
  auto weights = inspect_gguf(path);
  EXPECT_EQ(weights->architecture, "qwen2");
  // Tied: embeddings once; per layer q, k, v, o with biases, three feed-forward matrices, two norms; one norm at the end.
  const double per_layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 64 + 32 + 32 + 3 * 64 * 96 + 2 * 64;
  EXPECT_DOUBLE_EQ(weights->params_b * 1e9, 400 * 64 + 64 + 2 * per_layer);
}

TEST(ModelMakerFiles, BadOptionsAreErrors) {
  SyntheticModelOptions options = tiny_options("qwen3");
  options.architecture = "gpt5";
  EXPECT_NE(make_synthetic_gguf(options, temp_path("x.gguf")).error().message.find("qwen35"), std::string::npos);
  options = tiny_options("qwen3");
  options.type = "Q9";
  EXPECT_NE(make_synthetic_gguf(options, temp_path("x.gguf")).error().message.find("Q4_K_M"), std::string::npos);
  options = tiny_options("qwen3");
  options.like.n_heads = 0;
  EXPECT_FALSE(make_synthetic_gguf(options, temp_path("x.gguf")));
  options = tiny_options("qwen3");
  options.vocab_gguf = temp_path("absent.gguf");
  EXPECT_FALSE(make_synthetic_gguf(options, temp_path("x.gguf")));
  EXPECT_FALSE(file_exists(temp_path("x.gguf")));
  EXPECT_FALSE(make_synthetic_gguf(tiny_options("qwen3"), "/nonexistent/folder/x.gguf"));
  EXPECT_FALSE(requantise_gguf(temp_path("absent.gguf"), temp_path("y.gguf"), "F32"));
}

TEST(LoadErrors, NameTheFileAndTheReason) {
  LlamaOptions options;
  options.model_path = temp_path("absent.gguf");
  auto missing = load_llama_engine(options);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().kind, ErrorKind::bad_input);

  const std::string whole = read_file(synthetic_model("qwen3")).value();
  for (size_t size : {size_t{0}, size_t{3}, size_t{100}, whole.size() / 50, whole.size() / 2, whole.size() - 100}) {
    options.model_path = temp_path("cut.gguf");
    ASSERT_TRUE(write_file_atomic(options.model_path, std::string_view(whole).substr(0, size)));
    auto cut = load_llama_engine(options);
    ASSERT_FALSE(cut.has_value()) << size;
    EXPECT_EQ(cut.error().kind, ErrorKind::bad_input);
    EXPECT_NE(cut.error().message.find("cut.gguf"), std::string::npos);
  }
  EXPECT_NE(inspect_gguf(temp_path("cut.gguf")).error().message.find("truncated"), std::string::npos);
  options.model_path = temp_path("text.gguf");
  ASSERT_TRUE(write_file_atomic(options.model_path, std::string(5000, 'x')));
  EXPECT_FALSE(load_llama_engine(options).has_value());
  options.model_path = "/tmp";
  EXPECT_FALSE(load_llama_engine(options).has_value());
}

TEST(LoadErrors, ProgressCanAbortAndBadPresetIsNamed) {
  LlamaOptions options;
  options.model_path = synthetic_model("qwen3");
  options.progress = [](float) { return false; };
  auto aborted = load_llama_engine(options);
  ASSERT_FALSE(aborted.has_value());
  EXPECT_EQ(aborted.error().kind, ErrorKind::interrupted);
  options.progress = nullptr;
  options.preset.llama = {{"type_k", "f12"}};
  auto bad = load_llama_engine(options);
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().message.find("type_k"), std::string::npos);
}

}  // namespace
}  // namespace qeval
