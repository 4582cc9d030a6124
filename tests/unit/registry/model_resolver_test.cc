#include "qeval/registry/model_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fake_hub.h"
#include "qeval/core/gguf_parts.h"
#include "qeval/registry/model_registry.h"
#include "qeval/registry/weights_hash.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class Resolver : public testing::Test {
 protected:
  Resolver() {
    ::setenv("HF_ENDPOINT", server.url.c_str(), 1);
    ::setenv("HF_HUB_CACHE", (scratch.path + "/hub").c_str(), 1);
    auto parsed = parse_models(
        "models:\n  - {id: tiny, hf_id: org/Tiny, gguf_repo: org/tiny-GGUF, gguf_quant: Q8_0}\n  - {id: no-gguf, "
        "hf_id: org/None}\n",
        "t.yaml");
    models = *parsed;
  }
  ~Resolver() override {
    for (const char* name : {"HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE"}) ::unsetenv(name);
  }
  Result<ResolvedModel> resolve(const std::string& asked) {
    return resolve_model(asked, models, [](const std::string&, int64_t, int64_t) { return true; });
  }
  FakeHub server;
  ScratchDir scratch;
  std::vector<ModelSpec> models;
};

TEST_F(Resolver, ARowIsDownloadedOnceAndThenNeedsNoHub) {
  auto model = resolve("tiny");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->hf_id, "org/Tiny");
  EXPECT_EQ(model->source, "hf:org/tiny-GGUF:tiny-Q8_0.gguf");
  EXPECT_EQ(model->revision.size(), 40U);
  EXPECT_EQ(model->spec->id, "tiny");
  EXPECT_TRUE(file_exists(model->gguf_path));
  size_t before = server.log().size();
  ::setenv("HF_ENDPOINT", "http://127.0.0.1:9", 1);
  for (const char* asked : {"tiny", "org/Tiny", "hf:org/tiny-GGUF:Q8_0", "hf:org/tiny-GGUF:tiny-Q8_0.gguf"}) {
    auto again = resolve(asked);
    ASSERT_TRUE(again) << asked << ": " << again.error().message;
    EXPECT_EQ(again->gguf_path, model->gguf_path);
    EXPECT_EQ(again->spec->id, "tiny");
  }
  EXPECT_EQ(server.log().size(), before);
  auto other = resolve("hf:org/tiny-GGUF:Q4_K_M");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::unavailable);
}

TEST_F(Resolver, SplitFilesComeWholeAndHashAsOne) {
  auto model = resolve("hf:org/tiny-GGUF:F16");
  ASSERT_TRUE(model) << model.error().message;
  auto parts = gguf_parts(model->gguf_path);
  EXPECT_EQ(parts.size(), 2U);
  std::string joined;
  for (const std::string& part : parts) joined += *sha256_file(part) + "\n";
  EXPECT_EQ(*weights_sha256(model->gguf_path, scratch.path + "/hashes.json", false, nullptr), sha256_hex(joined));
  EXPECT_FALSE(file_exists(scratch.path + "/hashes.json")) << "the blobs' names were enough";
  EXPECT_EQ(*weights_sha256(model->gguf_path, scratch.path + "/hashes.json", true, nullptr), sha256_hex(joined));
}

TEST_F(Resolver, PathsAndErrors) {
  std::string path = scratch.path + "/x.gguf";
  std::ofstream(path) << "GGUF";
  auto model = resolve(path);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->gguf_path, path);
  EXPECT_FALSE(model->spec);
  EXPECT_THAT(resolve(scratch.path + "/absent.gguf").error().message, HasSubstr("no such file"));
  EXPECT_THAT(resolve("tinny").error().message, HasSubstr("did you mean tiny"));
  EXPECT_THAT(resolve("no-gguf").error().message, HasSubstr("no GGUF repository"));
  EXPECT_THAT(resolve("hf:org").error().message, HasSubstr("hf:"));
  EXPECT_THAT(resolve("hf:../../x").error().message, HasSubstr("was expected"));
  EXPECT_THAT(resolve("hf:org/missing:Q8_0").error().message, HasSubstr("no such repository"));
  EXPECT_THAT(resolve("hf:org/model:Q3_K").error().message, HasSubstr("it has"));
}

TEST_F(Resolver, KnownFilesAreKnownByTheirHash) {
  auto shipped = *load_models("");
  EXPECT_EQ(model_by_sha256(shipped, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")->id,
            "smollm2-135m-instruct");
  EXPECT_FALSE(model_by_sha256(shipped, std::string(64, '0')));
  EXPECT_FALSE(model_by_sha256(shipped, ""));
  EXPECT_EQ(model_by_gguf_name(shipped, "Qwen2.5 0.5B Instruct")->id, "qwen2.5-0.5b-instruct");
  EXPECT_EQ(model_by_gguf_name(shipped, "qwen2.5-7b-instruct")->id, "qwen2.5-7b-instruct");
  EXPECT_FALSE(model_by_gguf_name(shipped, "somebody's tune"));
}

TEST(WeightsHash, StopsWhereItIsToldAndRemembersNothing) {
  ScratchDir scratch;
  std::string path = scratch.path + "/w.gguf", cache = scratch.path + "/hashes.json";
  std::ofstream(path) << "weights";
  auto stopped = weights_sha256(path, cache, false, [](double) { return false; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::interrupted);
  EXPECT_EQ(known_weights_sha256(path, cache), "");
}

TEST(WeightsHash, RemembersUntilTheFileChanges) {
  ScratchDir scratch;
  std::string path = scratch.path + "/w.gguf", cache = scratch.path + "/cache/hashes.json";
  std::ofstream(path) << "first";
  int n_hashed = 0;
  auto count = [&](double) { return ++n_hashed > 0; };
  EXPECT_EQ(*weights_sha256(path, cache, false, count), sha256_hex("first"));
  EXPECT_GT(n_hashed, 0);
  n_hashed = 0;
  EXPECT_EQ(*weights_sha256(path, cache, false, count), sha256_hex("first"));
  EXPECT_EQ(n_hashed, 0);
  EXPECT_EQ(*weights_sha256(path, cache, true, count), sha256_hex("first"));
  EXPECT_GT(n_hashed, 0);
  auto time = fs::last_write_time(path);
  std::ofstream(path) << "other";
  fs::last_write_time(path, time);  // same size, same modification time: the change time still differs
  EXPECT_EQ(*weights_sha256(path, cache, false, count), sha256_hex("other"));
  std::ofstream(cache) << "not json";
  EXPECT_EQ(*weights_sha256(path, cache, false, count), sha256_hex("other"));
  EXPECT_FALSE(weights_sha256(scratch.path + "/absent.gguf", cache, false, nullptr));
  std::ofstream(scratch.path + "/m-00001-of-00002.gguf") << "a";
  EXPECT_THAT(weights_sha256(scratch.path + "/m-00001-of-00002.gguf", cache, false, nullptr).error().message,
              HasSubstr("part 2 of 2 is missing"));
}

}  // namespace
}  // namespace qeval
