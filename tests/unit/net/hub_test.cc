#include "qeval/net/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fake_hub.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

class HubTest : public testing::Test {
 protected:
  HubConfig config() const {
    HubConfig c;
    c.endpoint = server.url;
    c.cache_dir = scratch.path + "/hub";
    c.stall_timeout_s = 2;
    c.connect_timeout_s = 5;
    return c;
  }
  // Lists, picks and downloads one file; its path or the error.
  Result<HubDownload> get(const std::string& repo, const std::string& wanted, HubConfig c) {
    Hub hub(std::move(c));
    QEVAL_TRY(HubListing listing, hub.list({repo}));
    QEVAL_TRY(auto files, pick_gguf(listing.files, wanted));
    return hub.download({repo}, files[0]);
  }
  std::string partial(const std::string& repo, const std::string& sha) const {
    std::string name = repo;
    name.replace(name.find('/'), 1, "--");
    return scratch.path + "/hub/models--" + name + "/blobs/" + sha + ".incomplete";
  }
  FakeHub server;
  ScratchDir scratch;
};

TEST_F(HubTest, DownloadsIntoTheHubsOwnLayout) {
  Hub hub(config());
  auto listing = hub.list({"org/model"});
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(listing->commit, kCommit);
  auto files = pick_gguf(listing->files, "q8_0");
  ASSERT_TRUE(files) << files.error().message;
  int64_t last = 0;
  auto done = hub.download({"org/model"}, (*files)[0], [&](const std::string&, int64_t n, int64_t) {
    last = std::max(last, n);
    return true;
  });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->path, scratch.path + "/hub/models--org--model/snapshots/" + kCommit + "/tiny-Q8_0.gguf");
  EXPECT_TRUE(fs::is_symlink(done->path));
  EXPECT_EQ(fs::canonical(done->path).filename().string(), (*files)[0].sha256);
  EXPECT_EQ(*sha256_file(done->path), (*files)[0].sha256);
  EXPECT_EQ(*read_file(scratch.path + "/hub/models--org--model/refs/main"), kCommit);
  auto small = hub.download({"org/model"}, {"config.json"});
  ASSERT_TRUE(small) << small.error().message;
  EXPECT_EQ(*read_file(small->path), "{\"model_type\": \"qwen2\"}\n");
}

TEST_F(HubTest, WhatIsCachedNeedsNoNetwork) {
  auto first = get("org/model", "Q8_0", config());
  ASSERT_TRUE(first) << first.error().message;
  size_t before = server.log().size();
  Hub hub(config());
  auto again = hub.download({"org/model"}, {"tiny-Q8_0.gguf"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->from_cache);
  EXPECT_EQ(again->sha256, first->sha256);
  EXPECT_EQ(server.log().size(), before);
  HubConfig offline = config();
  offline.offline = true;
  auto listed = Hub(offline).list({"org/model"});
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->files.size(), 1U);
  EXPECT_EQ(listed->files[0].sha256, first->sha256);
  auto absent = Hub(offline).download({"org/model"}, {"tiny-Q4_K_M.gguf"});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(absent.error().message, HasSubstr("HF_HUB_OFFLINE"));
  EXPECT_EQ(server.log().size(), before);
}

TEST_F(HubTest, TokenGoesToTheHubAlone) {
  HubConfig c = config();
  auto denied = get("org/private", "Q8_0", c);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(denied.error().message, HasSubstr("HF_TOKEN is not set"));
  c.token = "good";
  auto done = get("org/private", "Q8_0", c);
  ASSERT_TRUE(done) << done.error().message;
  size_t with_token = 0;
  for (const Json& entry : server.log()) {
    if (entry["server"] == "storage")
      EXPECT_EQ(entry["authorization"], "");
    else
      with_token += entry["authorization"] == "Bearer good";
  }
  EXPECT_GE(with_token, 3U);
  EXPECT_EQ(server.n_requests("storage"), 1U);
}

TEST_F(HubTest, ContinuesAfterACutAndAfterAnEarlierRun) {
  auto done = get("org/cut", "Q8_0", config());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*sha256_file(done->path), done->sha256);
  std::vector<std::string> ranges;
  for (const Json& entry : server.log())
    if (entry["server"] == "storage") ranges.push_back(entry["range"]);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0], "");
  EXPECT_EQ(ranges[1], "bytes=512000-");

  std::string rest = partial("org/model", done->sha256);
  fs::create_directories(fs::path(rest).parent_path());
  std::ofstream(rest) << read_file(done->path)->substr(0, 1000);
  auto resumed = get("org/model", "Q8_0", config());
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(server.log().back()["range"], "bytes=1000-");
  EXPECT_EQ(*sha256_file(resumed->path), done->sha256);
  EXPECT_FALSE(file_exists(rest));
}

TEST_F(HubTest, AWrongRestIsThrownAwayAndFetchedAnew) {
  auto good = get("org/model", "Q8_0", config());
  ASSERT_TRUE(good);
  std::string rest = partial("org/second", good->sha256);
  fs::create_directories(fs::path(rest).parent_path());
  std::ofstream(rest) << std::string(5000, 'x');
  auto done = get("org/second", "Q8_0", config());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*sha256_file(done->path), good->sha256);
}

TEST_F(HubTest, StartsAgainWhereTheServerHasNoRanges) {
  auto done = get("org/no-ranges", "Q8_0", config());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*sha256_file(done->path), done->sha256);
}

TEST_F(HubTest, WrongBytesAreNeverKept) {
  auto wrong = get("org/corrupt", "Q8_0", config());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::environment);
  EXPECT_THAT(wrong.error().message, HasSubstr("SHA-256"));
  auto shorter = get("org/short", "Q8_0", config());
  ASSERT_FALSE(shorter);
  EXPECT_THAT(shorter.error().message, HasSubstr("bytes were expected"));
  Hub hub(config());
  auto small = hub.download({"org/corrupt-small"}, {"config.json"});
  ASSERT_FALSE(small);
  EXPECT_THAT(small.error().message, HasSubstr("git id"));
  for (const auto& entry : fs::recursive_directory_iterator(scratch.path + "/hub"))
    EXPECT_FALSE(entry.is_regular_file()) << entry.path();
}

TEST_F(HubTest, SaysWhyNothingCame) {
  auto missing = get("org/missing", "Q8_0", config());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(missing.error().message, HasSubstr("hf:org/missing: no such repository"));
  auto file = Hub(config()).download({"org/model"}, {"absent.gguf"});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::bad_input);
  EXPECT_THAT(file.error().message, HasSubstr("no such file"));
  auto page = get("org/page", "Q8_0", config());
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::bad_input);
  auto stalled = get("org/stalled", "Q8_0", [&] {
    HubConfig c = config();
    c.stall_timeout_s = 1;
    c.retries = 0;
    return c;
  }());
  ASSERT_FALSE(stalled);
  EXPECT_EQ(stalled.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(stalled.error().message, HasSubstr("no answer in time"));
  EXPECT_THAT(stalled.error().message, Not(HasSubstr("SECRET")));
  auto cut = get("org/always-cut", "Q8_0", config());
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(cut.error().message, Not(HasSubstr("SECRET")));
}

TEST_F(HubTest, ABusyHubIsAskedAgain) {
  auto done = get("org/busy", "Q8_0", config());
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(HubTest, AnUnreachableHubIsNamedWithAWayOut) {
  HubConfig c = config();
  c.endpoint = "http://127.0.0.1:9";  // discard: nobody listens
  auto none = Hub(c).list({"Qwen/Qwen2.5-0.5B-Instruct-GGUF"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(none.error().message, HasSubstr("the hub at http://127.0.0.1:9"));
  EXPECT_THAT(none.error().message, HasSubstr("local GGUF path"));
}

TEST_F(HubTest, HostileNamesStayOutOfTheCache) {
  auto listing = Hub(config()).list({"org/hostile"});
  ASSERT_TRUE(listing) << listing.error().message;
  for (const HubFile& file : listing->files) EXPECT_THAT(file.path, Not(HasSubstr("escape")));
  for (const char* name : {"../x.gguf", "/etc/x", "a//b", "a/./b", "..", "", "a\nb"})
    EXPECT_FALSE(Hub(config()).download({"org/model"}, {name})) << name;
  for (const char* repo : {"a/b/c", "../b", "a b/c", "", "/b", "a/", "a--b/c", "a/..", "http://x/y"})
    EXPECT_FALSE(Hub(config()).list({repo})) << repo;
}

TEST_F(HubTest, AStopKeepsTheRest) {
  Hub hub(config());
  auto listing = hub.list({"org/stalled"});
  ASSERT_TRUE(listing);
  auto files = pick_gguf(listing->files, "Q8_0");
  auto stopped =
      hub.download({"org/stalled"}, (*files)[0], [](const std::string&, int64_t done, int64_t) { return done == 0; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::interrupted);
  EXPECT_EQ(read_file(partial("org/stalled", (*files)[0].sha256))->size(), 4U);
}

TEST(HubConfig, FollowsTheHubsVariables) {
  ScratchDir scratch;
  for (const char* name :
       {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE"})
    ::unsetenv(name);
  ::setenv("HF_HOME", scratch.path.c_str(), 1);
  std::ofstream(scratch.path + "/token") << "from-file\n";
  HubConfig c = hub_config_from_environment();
  EXPECT_EQ(c.cache_dir, scratch.path + "/hub");
  EXPECT_EQ(c.token, "from-file");
  EXPECT_EQ(c.endpoint, "https://huggingface.co");
  EXPECT_FALSE(c.offline);
  ::setenv("HF_HUB_CACHE", "/elsewhere", 1);
  ::setenv("HF_TOKEN", "direct", 1);
  ::setenv("HF_ENDPOINT", "http://mirror/", 1);
  ::setenv("HF_HUB_OFFLINE", "yes", 1);
  c = hub_config_from_environment();
  EXPECT_EQ(c.cache_dir, "/elsewhere");
  EXPECT_EQ(c.token, "direct");
  EXPECT_EQ(c.endpoint, "http://mirror");
  EXPECT_TRUE(c.offline);
  for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"}) ::unsetenv(name);
}

std::vector<HubFile> files(const std::vector<std::string>& names) {
  std::vector<HubFile> out;
  for (const std::string& name : names) out.push_back({name});
  return out;
}
std::vector<std::string> picked(const std::vector<std::string>& names, const std::string& wanted) {
  std::vector<std::string> out;
  auto result = pick_gguf(files(names), wanted);
  if (!result) return {"error: " + result.error().message};
  for (const HubFile& file : *result) out.push_back(file.path);
  return out;
}

TEST(PickGguf, ByQuantisationNameAndDefault) {
  std::vector<std::string> repo = {"README.md",
                                   "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf",
                                   "qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf",
                                   "qwen2.5-7b-instruct-q8_0.gguf",
                                   "qwen2.5-7b-instruct-fp16.gguf",
                                   "mmproj-Q8_0.gguf"};
  EXPECT_EQ(picked(repo, ""), (std::vector<std::string>{repo[3]}));
  EXPECT_EQ(picked(repo, "Q4_K_M"), (std::vector<std::string>{repo[1], repo[2]}));
  EXPECT_EQ(picked(repo, "F16"), (std::vector<std::string>{repo[4]}));
  EXPECT_EQ(picked(repo, repo[2]), (std::vector<std::string>{repo[1], repo[2]}));
  EXPECT_EQ(picked(repo, "mmproj-Q8_0.gguf"), (std::vector<std::string>{"mmproj-Q8_0.gguf"}));
  EXPECT_THAT(picked(repo, "Q2_K")[0], HasSubstr("it has FP16, Q4_K_M, Q8_0"));
  EXPECT_THAT(picked(repo, "other.gguf")[0], HasSubstr("no file other.gguf"));
  EXPECT_THAT(picked({"README.md"}, "")[0], HasSubstr("no GGUF"));
  EXPECT_THAT(picked({"a-Q8_0.gguf", "b-Q8_0.gguf"}, "")[0], HasSubstr("fits several files"));
  EXPECT_THAT(picked({"a-Q4_0-00001-of-00003.gguf", "a-Q4_0-00003-of-00003.gguf"}, "")[0],
              HasSubstr("part 2 of 3 is missing"));
  EXPECT_EQ(picked({"UD/Model-UD-Q4_K_XL.gguf", "Model-IQ2_XXS.gguf"}, "iq2_xxs"),
            (std::vector<std::string>{"Model-IQ2_XXS.gguf"}));
}

TEST(PickGguf, ReadsTheQuantisation) {
  EXPECT_EQ(quantization_in_name("Qwen3-8B-Q4_K_M.gguf"), "Q4_K_M");
  EXPECT_EQ(quantization_in_name("x/model.q4_1.gguf"), "Q4_1");
  EXPECT_EQ(quantization_in_name("qwen2.5-72b-q6_k-00001-of-00016.gguf"), "Q6_K");
  EXPECT_EQ(quantization_in_name("Qwen3-0.6B-BF16.gguf"), "BF16");
  EXPECT_EQ(quantization_in_name("model.gguf"), "");
  EXPECT_EQ(quantization_in_name("model-Q8_0.bin"), "");
}

}  // namespace
}  // namespace qeval
