#include "qeval/engine/vllm/start_log.h"

#include <gtest/gtest.h>

#include "qeval/util/file.h"

namespace qeval {
namespace {

std::string golden(const std::string& name) {
  auto text = read_file(QEVAL_SOURCE_DIR "/tests/cases/engine_vllm/" + name);
  EXPECT_TRUE(text) << name;
  return text.value_or("");
}

TEST(StartLog, FollowsARealStart) {
  StartLog log;
  std::string text = golden("start_0.32.log");
  size_t loading = text.find("Starting to load model"), compiling = text.find("Warming up model"), cache = text.find("KV cache size");
  ASSERT_NE(cache, std::string::npos);
  log.feed(text.substr(0, loading));
  EXPECT_EQ(log.phase(), StartPhase::configuring);
  log.feed(text.substr(loading, compiling - loading));
  EXPECT_EQ(log.phase(), StartPhase::loading);
  log.feed(text.substr(compiling, cache - compiling));
  EXPECT_EQ(log.phase(), StartPhase::compiling);
  EXPECT_FALSE(log.kv_cache_tokens);
  log.feed(text.substr(cache));
  EXPECT_EQ(log.phase(), StartPhase::serving);
  EXPECT_EQ(log.kv_cache_tokens, 93184);
  EXPECT_EQ(log.max_concurrency, 45.5);
  EXPECT_EQ(log.failure(), StartFailure::none) << log.reason();
}

TEST(StartLog, PiecesMakeNoDifference) {
  std::string text = golden("start_0.32.log");
  StartLog whole, pieces;
  whole.feed(text);
  for (size_t i = 0; i < text.size(); i += 7) pieces.feed(std::string_view(text).substr(i, 7));
  EXPECT_EQ(whole.tail(100), pieces.tail(100));
  EXPECT_EQ(whole.kv_cache_tokens, pieces.kv_cache_tokens);
}

struct Ending {
  const char* file;
  StartFailure failure;
  const char* reason;
};
class RealFailures : public testing::TestWithParam<Ending> {};
TEST_P(RealFailures, AreClassed) {
  StartLog log;
  log.feed(golden(GetParam().file));
  EXPECT_EQ(log.failure(), GetParam().failure) << log.reason();
  EXPECT_NE(log.reason().find(GetParam().reason), std::string::npos) << log.reason();
  EXPECT_FALSE(log.tail().empty());
}
INSTANTIATE_TEST_SUITE_P(Vllm032, RealFailures,
                         testing::Values(Ending{"fail_port.log", StartFailure::port_in_use, "Address already in use"},
                                         Ending{"fail_badflag.log", StartFailure::bad_flag, "unrecognized arguments: --frobnicate 3"},
                                         Ending{"fail_missing.log", StartFailure::missing_files, "Repo id must be in the form"},
                                         Ending{"fail_badvalue.log", StartFailure::bad_flag, "invalid tool call parser: nope"}));

StartFailure failure_of(const std::string& line) {
  StartLog log;
  log.feed(line + "\n");
  return log.failure();
}

TEST(StartLog, ReasonsByTheirWords) {
  EXPECT_EQ(failure_of("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"), StartFailure::out_of_memory);
  EXPECT_EQ(failure_of("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"), StartFailure::out_of_memory);
  EXPECT_EQ(failure_of("ValueError: To serve at least one request with the models's max seq len (32768), (4.00 GiB KV cache is needed, which is "
                       "larger than the available KV cache memory (1.20 GiB)"), StartFailure::out_of_memory);
  EXPECT_EQ(failure_of("ValueError: Free memory on device (10.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, 71.2 GiB)"),
            StartFailure::out_of_memory);
  EXPECT_EQ(failure_of("huggingface_hub.errors.GatedRepoError: 403 Client Error"), StartFailure::not_authorised);
  EXPECT_EQ(failure_of("OSError: x does not appear to have a file named config.json"), StartFailure::missing_files);
  EXPECT_EQ(failure_of("ValueError: User-specified max_model_len (100000) is greater than the derived max_model_len"), StartFailure::unsupported);
  EXPECT_EQ(failure_of("RuntimeError: Failed to infer device type"), StartFailure::device);
  EXPECT_EQ(failure_of("RuntimeError: something new"), StartFailure::other);
  EXPECT_EQ(failure_of("(APIServer pid=1) WARNING 11-27 15:04:45 [u.py:255] This can cause errors like `MemoryError` or Address already in use"),
            StartFailure::none) << "a warning is no failure";
}

TEST(StartLog, TheCauseStaysAndTheConsequencesDoNotReplaceIt) {
  StartLog log;
  log.feed("torch.OutOfMemoryError: CUDA out of memory\nRuntimeError: Engine core initialization failed\n");
  EXPECT_EQ(log.failure(), StartFailure::out_of_memory);
  StartLog other;
  other.feed("RuntimeError: Engine core initialization failed\ntorch.OutOfMemoryError: CUDA out of memory\n");
  EXPECT_EQ(other.failure(), StartFailure::out_of_memory);
}

TEST(StartLog, ProgressOfDownloadsAndShards) {
  StartLog log;
  log.feed("model-00001-of-00004.safetensors:  23%|██▎       | 1.1G/4.9G [00:10<00:35, 108MB/s]\r");
  EXPECT_EQ(log.phase(), StartPhase::downloading);
  EXPECT_NE(log.progress().find("23 %"), std::string::npos) << log.progress();
  log.feed("Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:00<00:01,  1.81it/s]\r");
  EXPECT_EQ(log.progress(), "loading the weights: 25 % of the files (1/4)");
}

TEST(StartLog, EndlessLinesAndBytesAreBounded) {
  StartLog log;
  for (int i = 0; i < 2000; ++i) log.feed(std::string(1000, '\xff'));
  log.feed("\n");
  for (int i = 0; i < 1000; ++i) log.feed("line\n");
  EXPECT_LT(log.tail(10000).size(), 100'000u);
}

}  // namespace
}  // namespace qeval
