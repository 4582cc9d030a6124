#include "qeval/registry/dataset_catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "fake_hub.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

DatasetInfo parsed(const std::string& yaml) {
  auto catalogue = parse_dataset_catalogue(yaml, "test.yaml");
  EXPECT_TRUE(catalogue) << catalogue.error().message;
  return catalogue ? (*catalogue)[0] : DatasetInfo{};
}

std::string error_of(const std::string& yaml) {
  auto catalogue = parse_dataset_catalogue(yaml, "test.yaml");
  return catalogue ? "" : catalogue.error().message;
}

TEST(DatasetCatalogue, TheShippedOneIsWhole) {
  auto catalogue = load_dataset_catalogue();
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  std::set<std::string> names, paths;
  for (const DatasetInfo& dataset : *catalogue) {
    EXPECT_TRUE(names.insert(dataset.name).second) << dataset.name;
    EXPECT_FALSE(dataset.license.empty()) << dataset.name;
    EXPECT_THAT(dataset.homepage, HasSubstr("https://")) << dataset.name;
    for (const DataFile& file : dataset.files) {
      EXPECT_TRUE(paths.insert(file.path).second) << file.path;
      for (const DataSource& source : file.sources)
        EXPECT_EQ(source.text().find('{'), std::string::npos) << source.text();
    }
  }
  for (const char* name : {"gsm8k", "arc_challenge", "arc_easy", "hellaswag", "winogrande", "piqa", "mmlu",
                           "truthfulqa", "humaneval", "mbpp"})
    EXPECT_TRUE(names.count(name)) << name;
  EXPECT_THAT(find_dataset(*catalogue, "gsm8").error().message, HasSubstr("did you mean gsm8k"));
}

TEST(DatasetCatalogue, KnowsTheCopiesForDevelopment) {
  const char* variable = std::getenv("QEVAL_DATA_DIR");
  std::string folder = variable ? variable : QEVAL_SOURCE_DIR "/../shared/datasets";
  if (!file_exists(folder + "/gsm8k/test.jsonl")) GTEST_SKIP() << "no data sets here";
  auto catalogue = load_dataset_catalogue();
  ASSERT_TRUE(catalogue);
  for (const DatasetInfo& dataset : *catalogue)
    for (const DataFileStatus& file : verify_dataset(dataset, {folder, ""})) {
      if (file.state == DataState::absent) continue;
      EXPECT_TRUE(file.state == DataState::original || file.state == DataState::variant)
          << file.path << ": " << to_string(file.state);
    }
}

TEST(DatasetCatalogue, WrongEntriesAreNamed) {
  EXPECT_THAT(error_of("datasets: 3"), HasSubstr("a list under the key"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: x, sources: [{url: http://h/x}], shasum: 1}]}]"),
              HasSubstr("unknown key “shasum”"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: ../x, sources: [{url: http://h/x}]}]}]"),
              HasSubstr("below the data folder"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: /x, sources: [{url: http://h/x}]}]}]"),
              HasSubstr("below the data folder"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: x, sources: [{url: u, pip: p}]}]}]"),
              HasSubstr("exactly one of"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: x, sources: [{pip: p}]}]}]"), HasSubstr("needs member"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: x, sha256: ABC, sources: [{url: u}]}]}]"),
              HasSubstr("64 lower-case"));
  EXPECT_THAT(error_of("datasets: [{name: a, files: [{path: x}]}]"), HasSubstr("list of sources"));
}

class DatasetPull : public testing::Test {
 protected:
  Result<std::vector<DataFileStatus>> pull(const std::string& files, bool again = false) {
    dataset = parsed("datasets:\n  - name: d\n    license: MIT\n    files:\n" + files);
    PullOptions options;
    options.rows_endpoint = server.url;
    options.again = again;
    return pull_dataset(dataset, {"", scratch.path}, options);
  }
  std::string url(const std::string& repo) const { return server.url + "/org/" + repo + "/resolve/main/config.json"; }
  FakeHub server;
  ScratchDir scratch;
  DatasetInfo dataset;
};

TEST_F(DatasetPull, RecordsWhatItFetchedAndDoesNotFetchAgain) {
  std::string files =
      "      - {path: a/config.json, sources: [{url: \"" + url("missing") + "\"}, {url: \"" + url("model") + "\"}]}\n";
  auto done = pull(files);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(done->size(), 1U);
  EXPECT_EQ((*done)[0].state, DataState::recorded);
  EXPECT_THAT((*done)[0].source, HasSubstr("/org/model/"));
  Json records = *parse_json(*read_file(scratch.path + "/data/sources.json"));
  EXPECT_EQ(records["a/config.json"]["license"], "MIT");
  EXPECT_EQ(records["a/config.json"]["sha256"], *sha256_file(scratch.path + "/data/a/config.json"));
  size_t before = server.log().size();
  ASSERT_TRUE(pull(files));
  EXPECT_EQ(server.log().size(), before);
  std::ofstream(scratch.path + "/data/a/config.json") << "tampered";
  EXPECT_EQ(verify_dataset(dataset, {"", scratch.path})[0].state, DataState::differs);
  done = pull(files, true);
  ASSERT_TRUE(done);
  EXPECT_EQ((*done)[0].state, DataState::recorded);
}

TEST_F(DatasetPull, AWrongHashIsNotKept) {
  auto done = pull("      - {path: x.json, sha256: " + std::string(64, 'a') + ", sources: [{url: \"" + url("model") +
                   "\"}]}\n");
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("SHA-256"));
  EXPECT_FALSE(file_exists(scratch.path + "/data/x.json"));
}

TEST_F(DatasetPull, NamesEverySourceThatFailed) {
  auto done = pull("      - {path: x.json, sources: [{url: \"" + url("missing") +
                   "\"}, {url: \"http://127.0.0.1:9/x\"}, {rows: org/d, split: absent}]}\n");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(done.error().message, HasSubstr("not found (404)"));
  EXPECT_THAT(done.error().message, HasSubstr("127.0.0.1:9"));
}

TEST_F(DatasetPull, AFileOutOfReachDoesNotKeepTheOthersBack) {
  auto done = pull("      - {path: x.json, sources: [{url: \"" + url("missing") + "\"}]}\n      - {path: y.json, sources: [{url: \"" + url("model") +
                   "\"}]}\n      - {path: z.json, sources: [{url: \"" + url("missing") + "\"}]}\n");
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("x.json"));
  EXPECT_THAT(done.error().message, HasSubstr("z.json"));
  EXPECT_TRUE(file_exists(scratch.path + "/data/y.json"));
}

TEST_F(DatasetPull, RowsArchivesAndPackages) {
  std::string make =
      "import zipfile,tarfile,io\n"
      "z=zipfile.ZipFile('" +
      scratch.path +
      "/demo_pkg-1.0-py3-none-any.whl','w')\n"
      "z.writestr('demo_pkg/data/d.txt','from the wheel')\n"
      "z.writestr('demo_pkg-1.0.dist-info/METADATA','Metadata-Version: 2.1\\nName: demo-pkg\\nVersion: 1.0\\n')\n"
      "z.writestr('demo_pkg-1.0.dist-info/WHEEL','Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: "
      "py3-none-any\\n')\n"
      "z.writestr('demo_pkg-1.0.dist-info/RECORD','')\n";
  ASSERT_EQ(std::system(("python3 -c \"" + make + "\"").c_str()), 0);
  auto done = pull(
      "      - {path: r/rows.jsonl, sources: [{rows: org/d, config: c, split: test}]}\n"
      "      - {path: p/d.txt, sources: [{pip: " +
      scratch.path +
      "/demo_pkg-1.0-py3-none-any.whl, member: demo_pkg/data/d.txt}]}\n"
      "      - {path: folder/, sources: [{pip: " +
      scratch.path + "/demo_pkg-1.0-py3-none-any.whl, member: demo_pkg-1.0.dist-info/*}]}\n");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*read_file(scratch.path + "/data/p/d.txt"), "from the wheel");
  EXPECT_TRUE(file_exists(scratch.path + "/data/folder/METADATA"));
  EXPECT_THAT(*read_file(scratch.path + "/data/r/rows.jsonl"), HasSubstr("c test 249"));
  for (const DataFileStatus& file : *done) EXPECT_EQ(file.state, DataState::recorded) << file.path;
  auto none = pull("      - {path: q.txt, sources: [{pip: " + scratch.path +
                   "/demo_pkg-1.0-py3-none-any.whl, member: absent.txt}]}\n");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("no single absent.txt"));
}

TEST_F(DatasetPull, OptionalFilesOnlyWhenAllAreAsked) {
  dataset = parsed("datasets: [{name: d, sources: [{url: \"" + url("model") +
                   "\"}], files: [{path: a}, {path: b, optional: true}]}]");
  PullOptions options;
  ASSERT_TRUE(pull_dataset(dataset, {"", scratch.path}, options));
  EXPECT_FALSE(file_exists(scratch.path + "/data/b"));
  options.all = true;
  ASSERT_TRUE(pull_dataset(dataset, {"", scratch.path}, options));
  EXPECT_TRUE(file_exists(scratch.path + "/data/b"));
}

TEST_F(DatasetPull, TheDataFolderComesFirst) {
  fs::create_directories(scratch.path + "/mine/a");
  std::ofstream(scratch.path + "/mine/a/config.json") << "mine";
  dataset = parsed("datasets: [{name: d, files: [{path: a/config.json, sources: [{url: \"" + url("model") + "\"}]}]}]");
  auto done = pull_dataset(dataset, {scratch.path + "/mine", scratch.path}, {});
  ASSERT_TRUE(done);
  EXPECT_EQ((*done)[0].found_at, scratch.path + "/mine/a/config.json");
  EXPECT_EQ((*done)[0].state, DataState::unknown);
  EXPECT_EQ(server.log().size(), 0U);
}

}  // namespace
}  // namespace qeval
