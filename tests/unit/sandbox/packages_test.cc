#include <sys/stat.h>

#include "qeval/os/temp_dir.h"
#include "qeval/util/file.h"
#include "sandbox_test_util.h"

namespace qeval {
namespace {

class SandboxPackages : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = std::move(*TempDir::create("qeval-packages"));
    chmod(folder_.path().c_str(), 0755);
    for (const char* name : {"/site", "/site/lent", "/site/kept"}) ASSERT_TRUE(make_directories(folder_.path() + name));
    ASSERT_TRUE(write_file_atomic(folder_.path() + "/site/lent/__init__.py", "VALUE = 7\n"));
    ASSERT_TRUE(write_file_atomic(folder_.path() + "/site/kept/__init__.py", "VALUE = 8\n"));
    ASSERT_TRUE(write_file_atomic(folder_.path() + "/site/single.py", "VALUE = 9\n"));
    for (const char* name : {"/site/lent/__init__.py", "/site/kept/__init__.py", "/site/single.py"}) chmod((folder_.path() + name).c_str(), 0644);
    SandboxOptions options;
    options.force_backend = GetParam();
    options.n_workers = 1;
    options.packages = {folder_.path() + "/site/lent", folder_.path() + "/site/single.py"};
    options.preload = {"lent", "no_such_module"};
    auto opened = open_sandbox(options);
    if (!opened) GTEST_SKIP() << opened.error().message;
    sandbox_ = std::move(*opened);
  }
  ProgramRun run(const std::string& program) {
    SandboxLimits limits;
    limits.wall = std::chrono::seconds(20);
    return sandbox_->run(program, limits);
  }

  TempDir folder_;
  std::unique_ptr<Sandbox> sandbox_;
};

TEST_P(SandboxPackages, CanBeImportedAndNotChanged) {
  ProgramRun result = run("import lent, single\nassert (lent.VALUE, single.VALUE) == (7, 9)\n");
  EXPECT_EQ(result.verdict, SandboxVerdict::passed) << result.detail;
  result = run(
      "import lent\n"
      "try:\n    open(lent.__file__, 'a')\nexcept OSError:\n    pass\nelse:\n    assert False, 'written'\n");
  EXPECT_EQ(result.verdict, SandboxVerdict::passed) << result.detail;
  EXPECT_EQ(run("import lent\nassert lent.VALUE == 8\n").verdict, SandboxVerdict::failed);
}

TEST_P(SandboxPackages, AProgramChangesThemForItselfAlone) {
  EXPECT_EQ(run("import lent\nlent.VALUE = 1\n").verdict, SandboxVerdict::passed);
  EXPECT_EQ(run("import lent\nassert lent.VALUE == 7\n").verdict, SandboxVerdict::passed);
}

TEST_P(SandboxPackages, OnlyWhatIsLentInAPrivateRoot) {
  if (GetParam() == "landlock") GTEST_SKIP() << "Landlock opens the folder that packages lie in";
  ProgramRun result = run("import kept");
  EXPECT_EQ(result.verdict, SandboxVerdict::runtime_error);
  EXPECT_NE(result.detail.find("kept"), std::string::npos);
  EXPECT_EQ(run("import sys\nassert 'lent' in sys.modules\n").verdict, SandboxVerdict::passed) << "loaded ahead";
}

TEST_P(SandboxPackages, FixedHashesGiveEveryProcessTheSameOrder) {
  auto order = [&](bool fixed) {
    SandboxOptions options;
    options.force_backend = GetParam();
    options.n_workers = 1;
    options.fixed_hashes = fixed;
    auto sandbox = open_sandbox(options);
    SandboxLimits limits;
    limits.wall = std::chrono::seconds(20);
    return sandbox ? (*sandbox)->run("print(hash('business'), hash('first'))\n", limits).output : sandbox.error().message;
  };
  EXPECT_EQ(order(true), order(true));
  EXPECT_NE(order(false), order(false));
  EXPECT_EQ(run("import sys\nassert '' not in sys.path\n").verdict, SandboxVerdict::passed);
}

INSTANTIATE_TEST_SUITE_P(All, SandboxPackages, testing::Values("namespaces", "landlock"), sandbox_test::test_name);

}  // namespace
}  // namespace qeval
