#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "child_process.h"
#include "qeval/store/schema.h"
#include "qeval/util/file.h"
#include "store_fixture.h"

namespace qeval {
namespace {

class Failures : public StoreTest {
 protected:
  Failures() { ::chmod(folder_.c_str(), 0755); }
  void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }
  void make_store() {
    auto store = open(path_);
    put(*store, begin(*store), 1, "q", "a");
  }
  // Exit codes of a child: 0 as expected, else which check failed.
  static int expect_read_only_error(const std::string& path, const std::string& named) {
    auto store = open_store(path, {});
    if (store) return 1;
    if (store.error().kind != ErrorKind::environment) return 2;
    if (store.error().message.find(named) == std::string::npos) return 3;
    return store.error().message.find("read-only") == std::string::npos ? 4 : 0;
  }
  static int expect_readable(const std::string& path) {
    auto store = open_store(path, {.read_only = true});
    if (!store) return 1;
    int n = 0;
    if (!(*store)->for_each_sample(1, "task", [&](SampleRecord&& sample) {
          n += sample.responses.at(0).text == "a";
          return true;
        }))
      return 2;
    return n == 1 ? 0 : 3;
  }
};

TEST_F(Failures, AFolderIsNoStore) {
  Error error = open_error(folder_);
  EXPECT_EQ(error.kind, ErrorKind::bad_input);
  EXPECT_NE(error.message.find(folder_), std::string::npos);
  EXPECT_NE(error.message.find("is a folder"), std::string::npos);
}

TEST_F(Failures, AbsentFilesAndFolders) {
  EXPECT_EQ(open_error(path_, {.read_only = true}).kind, ErrorKind::not_found);
  EXPECT_EQ(open_error(path_, {.create = false}).kind, ErrorKind::not_found);
  EXPECT_FALSE(std::filesystem::exists(path_));
  Error error = open_error(folder_ + "/none/qeval.db");
  EXPECT_EQ(error.kind, ErrorKind::bad_input);
  EXPECT_NE(error.message.find("does not exist"), std::string::npos) << error.message;
  EXPECT_EQ(open_error("").kind, ErrorKind::bad_input);
  write_file(folder_ + "/file", "x");
  EXPECT_EQ(open_error(folder_ + "/file/qeval.db").kind, ErrorKind::bad_input);
  EXPECT_EQ(open_error("/dev/null").kind, ErrorKind::bad_input);
}

TEST_F(Failures, OtherFilesAreLeftAlone) {
  write_file(path_,
             "This is my diary, and long enough to be taken for a header of anything. " + std::string(1000, '.'));
  Error error = open_error(path_);
  EXPECT_EQ(error.kind, ErrorKind::bad_input);
  EXPECT_NE(error.message.find("not a qeval store"), std::string::npos) << error.message;
  std::string other = folder_ + "/other.db";
  {
    SQLite::Database db(other, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE songs (title TEXT)");
  }
  std::string before = *read_file(other);
  for (bool read_only : {false, true}) {
    error = open_error(other, {.read_only = read_only});
    EXPECT_EQ(error.kind, ErrorKind::bad_input);
    EXPECT_NE(error.message.find("not a qeval store"), std::string::npos) << error.message;
  }
  EXPECT_EQ(*read_file(other), before);
}

TEST_F(Failures, AnEmptyFileBecomesAStore) {
  write_file(path_, "");
  EXPECT_EQ(open_error(path_, {.read_only = true}).kind, ErrorKind::bad_input);
  EXPECT_NE(open(path_), nullptr);
}

TEST_F(Failures, NewerSchemasAreNamed) {
  make_store();
  {
    auto db = Database::open(path_, false, false);
    (*db)->exec("INSERT INTO schema_version VALUES (999, 0)");
  }
  for (bool read_only : {false, true}) {
    Error error = open_error(path_, {.read_only = read_only});
    EXPECT_EQ(error.kind, ErrorKind::bad_input);
    EXPECT_NE(error.message.find("newer qeval (schema 999"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(path_), std::string::npos);
  }
}

TEST_F(Failures, ReadOnlyFile) {
  make_store();
  ::chmod(path_.c_str(), 0444);
  EXPECT_EQ(as_ordinary_user([&] { return expect_read_only_error(path_, path_); }), 0);
  EXPECT_EQ(as_ordinary_user([&] { return expect_readable(path_); }), 0);
}

TEST_F(Failures, ReadOnlyFolder) {
  make_store();
  ::chmod(path_.c_str(), 0666);
  ::chmod(folder_.c_str(), 0555);
  EXPECT_EQ(as_ordinary_user([&] { return expect_read_only_error(path_, path_); }), 0);
  EXPECT_EQ(as_ordinary_user([&] { return expect_read_only_error(folder_ + "/new.db", "new.db"); }), 0);
  EXPECT_EQ(as_ordinary_user([&] { return expect_readable(path_); }), 0);
  ::chmod(folder_.c_str(), 0755);
}

TEST_F(Failures, UnreadableFile) {
  make_store();
  ::chmod(path_.c_str(), 0);
  EXPECT_EQ(as_ordinary_user([&] {
              auto store = open_store(path_, {.read_only = true});
              return store || store.error().kind != ErrorKind::environment
                         ? 1
                         : store.error().message.find("cannot be read") == std::string::npos;
            }),
            0);
}

// Words that hardly compress, different for each n.
std::string noise(int64_t n) {
  std::mt19937 random(static_cast<unsigned>(n));
  std::string out;
  for (int i = 0; i < 400; ++i) out += static_cast<char>('!' + random() % 90);
  return out;
}

// Damage in any place is an error or a check's finding; never a crash, never a silently different answer.
TEST_F(Failures, DamagedFiles) {
  {
    auto store = open(path_);
    RunId run = begin(*store);
    for (int i = 0; i < 300; ++i) put(*store, run, i, "question " + std::to_string(i), noise(i));
  }
  std::string sound = *read_file(path_);
  int n_noticed = 0, n_places = 0;
  for (size_t at = 0; at + 256 < sound.size(); at += sound.size() / 24, ++n_places) {
    std::string broken = sound;
    for (size_t i = 0; i < 256; ++i) broken[at + i] = static_cast<char>(broken[at + i] ^ 0x5a);
    write_file(path_, broken);
    auto store = open_store(path_, {});
    if (!store) {
      ++n_noticed;
      EXPECT_EQ(store.error().kind, ErrorKind::bad_input) << store.error().message;
      EXPECT_NE(store.error().message.find(path_), std::string::npos);
      continue;
    }
    auto check = (*store)->check();
    ASSERT_TRUE(check);
    n_noticed += !check->ok;
    int n_samples = 0;
    Status walked = (*store)->for_each_sample(1, "task", [&](SampleRecord&& sample) {
      ++n_samples;
      if (check->ok) {
        EXPECT_EQ(sample.responses.at(0).text, noise(sample.doc_id));
      }
      return true;
    });
    if (check->ok) {
      EXPECT_EQ(n_samples, 300);
    }
    if (!walked) {
      EXPECT_NE(walked.error().message.find(path_), std::string::npos) << walked.error().message;
    }
  }
  EXPECT_GT(n_noticed, n_places / 2);
}

TEST_F(Failures, TruncatedFiles) {
  make_store();
  std::string sound = *read_file(path_);
  for (size_t keep : {size_t{50}, size_t{100}, size_t{4096}, sound.size() / 2, sound.size() - 8192}) {
    write_file(path_, sound.substr(0, keep));
    auto store = open_store(path_, {});
    if (store) {
      EXPECT_FALSE(checked(**store).ok) << keep;
    } else {
      EXPECT_EQ(store.error().kind, ErrorKind::bad_input) << store.error().message;
    }
  }
}

TEST_F(Failures, DamagedTextsAreFoundByTheirHash) {
  make_store();
  {
    auto db = Database::open(path_, false, false);
    (*db)->exec("UPDATE texts SET content = CAST('b' AS BLOB) WHERE content = CAST('a' AS BLOB)");
  }
  auto store = open(path_);
  StoreCheck check = checked(*store);
  EXPECT_FALSE(check.ok);
  ASSERT_FALSE(check.problems.empty());
  EXPECT_NE(check.problems[0].find("hash"), std::string::npos) << check.problems[0];
  auto found = store->find_response(key("q"));
  ASSERT_FALSE(found) << "a changed answer must not be reused";
  EXPECT_EQ(found.error().kind, ErrorKind::bad_input);
}

TEST_F(Failures, OrphansAndBrokenReferencesAreFound) {
  make_store();
  {
    auto db = Database::open(path_, false, false);
    (*db)->exec("PRAGMA foreign_keys=OFF; DELETE FROM responses; INSERT INTO texts VALUES (900, x'00', 0, 0, x'')");
  }
  auto store = open(path_);
  StoreCheck check = checked(*store);
  EXPECT_FALSE(check.ok);
  EXPECT_EQ(check.counts["orphan_texts"], 2);
  std::string all;
  for (const std::string& problem : check.problems) all += problem + "\n";
  EXPECT_NE(all.find("1 asked without their responses"), std::string::npos) << all;
}

// Files may not grow over a limit: what a quota or a full disk does to a process, without needing root.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    old_signal_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_signal_);
  }

 private:
  rlimit old_{};
  void (*old_signal_)(int) = nullptr;
};

// Writes until the disk refuses; the number of answers that were acknowledged.
int fill(Store& store, RunId run, Error* error, int first = 0) {
  std::string text;
  for (int n = first; n < first + 100'000; ++n) {
    text.clear();
    for (int i = 0; i < 2000; ++i) text += static_cast<char>('!' + (i * 7919 + n * 104729 + i * i * n) % 90);
    Request request;
    request.prompt = "q" + std::to_string(n);
    Response response;
    response.finish = FinishReason::length;
    response.text = text;
    Status status = store.put_response(run, {"task", n, 0}, "key " + std::to_string(n), request, response);
    if (!status) {
      *error = status.error();
      return n;
    }
  }
  return -1;
}

TEST_F(Failures, AFullDiskLosesNothingAndPasses) {
  auto store = open(path_);
  RunId run = begin(*store);
  Error error;
  int n = 0;
  {
    FileSizeLimit limit(3 << 20);
    n = fill(*store, run, &error);
    ASSERT_GT(n, 50);
    EXPECT_EQ(error.kind, ErrorKind::environment);
    EXPECT_NE(error.message.find("free space"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(path_), std::string::npos);
    EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n));
  }
  put(*store, run, 1'000'000, "after", "works again");
  EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n) + 1);
  store.reset();
  store = open(path_);
  EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n) + 1);
  EXPECT_TRUE(checked(*store).ok);
}

TEST_F(Failures, ARealFullDisk) {
  std::string mount_point = folder_ + "/small";
  ::mkdir(mount_point.c_str(), 0755);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=3m") != 0) GTEST_SKIP() << "may not mount a small disk";
  std::string ballast = mount_point + "/ballast", path = mount_point + "/qeval.db";
  write_file(ballast, std::string(1 << 20, 'x'));
  {
    auto store = open(path);
    RunId run = begin(*store);
    Error error;
    int n = fill(*store, run, &error);
    EXPECT_GT(n, 10);
    EXPECT_EQ(error.kind, ErrorKind::environment);
    EXPECT_NE(error.message.find("no space is left"), std::string::npos) << error.message;
    EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n));
    std::filesystem::remove(ballast);
    put(*store, run, 1'000'000, "after", "works again");
    EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n) + 1);
    EXPECT_TRUE(checked(*store).ok);
  }
  EXPECT_EQ(::umount(mount_point.c_str()), 0);
}

}  // namespace
}  // namespace qeval
