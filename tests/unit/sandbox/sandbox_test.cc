#include <gtest/gtest.h>

#include <thread>

#include "qeval/os/process_info.h"
#include "qeval/sandbox/python_finder.h"
#include "qeval/util/file.h"
#include "qeval/util/json.h"
#include "sandbox_test_util.h"

namespace qeval {
namespace {

using namespace sandbox_test;

class SandboxBackends : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string why;
    sandbox_ = open_or_null(GetParam(), 2, why);
    if (!sandbox_) GTEST_SKIP() << why;
  }
  ProgramRun run(const std::string& program) { return sandbox_->run(program, quick_limits()); }
  std::unique_ptr<Sandbox> sandbox_;
};

TEST_P(SandboxBackends, VerdictsAndDetails) {
  using V = SandboxVerdict;
  struct Expected {
    const char* program;
    V verdict;
    const char* detail;
  };
  for (const Expected& e : std::initializer_list<Expected>{
           {"", V::passed, ""},
           {"x = 1\nassert x == 1", V::passed, ""},
           {"x = 1\r\nif x:\r\n    y = '''a\r\nb'''\r\nassert y == 'a\\nb'\r\n", V::passed, ""},
           {"assert 1 == 2, 'one is not two'", V::failed, "AssertionError: one is not two (line 1)"},
           {"\nassert 0", V::failed, "AssertionError (line 2)"},
           {"def f():\n    return 1 / 0\n\nf()", V::runtime_error, "ZeroDivisionError: division by zero (line 2)"},
           {"undefined_name", V::runtime_error, "NameError: name 'undefined_name' is not defined (line 1)"},
           {"raise ValueError('\\x1b[2J\\x00 \\udcff')", V::runtime_error, "ValueError: ?[2J? ? (line 1)"},
           {"exec('x = (')", V::runtime_error, "SyntaxError: '(' was never closed (line 1)"},
           {"x = 1\ny = 'abc", V::syntax_error, "SyntaxError: unterminated string literal (detected at line 2)"},
           {"```python\nx = 1\n```", V::syntax_error, "SyntaxError: invalid syntax (line 1)"},
           {"import time; time.sleep(30)", V::time_out, "not done after 0.5 s"},
           {"x = bytearray(1 << 40)", V::memory_limit, "MemoryError (line 1)"},
           {"print('x' * 1000000)", V::output_limit, "wrote more than 204800 bytes"},
           {"import os; os._exit(3)", V::exited, "ended with exit code 3 before the end of the tests"},
           {"import sys; sys.exit('bye')", V::exited, "SystemExit: bye (line 1)"},
       }) {
    ProgramRun result = run(e.program);
    EXPECT_EQ(to_string(result.verdict), std::string(to_string(e.verdict))) << e.program << ": " << result.detail;
    EXPECT_EQ(result.detail, e.detail) << e.program;
  }
}

TEST_P(SandboxBackends, KeepsWhatWasPrinted) {
  ProgramRun result = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nassert False");
  EXPECT_EQ(result.verdict, SandboxVerdict::failed);
  EXPECT_NE(result.output.find("out\n"), std::string::npos);
  EXPECT_NE(result.output.find("err\n"), std::string::npos);
  EXPECT_EQ(run("print('fine')").output, "fine\n");
}

TEST_P(SandboxBackends, LegitimateProgramsPass) {
  for (const char* program : {
           "if __name__ == '__main__':\n    raise SystemExit('a script, not a test')",
           "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nassert P(1) == P(1)",
           "import pickle\nclass A: pass\nassert isinstance(pickle.loads(pickle.dumps(A())), A)",
           "import threading\nr = []\nt = threading.Thread(target=r.append, args=(1,)); t.start(); t.join()\nassert r == [1]",
           "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
           "with open('a.txt', 'w') as f: f.write('x')\nassert open('a.txt').read() == 'x'",
           "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x')",
           "import asyncio\nasync def f(): return 1\nassert asyncio.run(f()) == 1",
           "import hashlib, decimal, json, sqlite3, zlib, statistics, fractions\nassert hashlib.md5(b'').hexdigest().startswith('d41d')",
           "import concurrent.futures as c\nwith c.ThreadPoolExecutor(2) as p: assert list(p.map(abs, [-1])) == [1]",
           "import random, time, datetime, uuid\nrandom.random(); uuid.uuid4(); time.time(); datetime.datetime.now()",
           "import signal, time\nhits = []\nsignal.signal(signal.SIGALRM, lambda *a: hits.append(1))\nsignal.setitimer(signal.ITIMER_REAL, .01)\ntime.sleep(.1)\nassert hits",
           "import sys\nsys.stdout.close()",
           "s = 'ünïcödé 漢字'\nprint(s)\nassert len(s) == 10",
       }) {
    ProgramRun result = run(program);
    EXPECT_EQ(result.verdict, SandboxVerdict::passed) << program << ": " << to_string(result.verdict) << " " << result.detail << result.output;
  }
}

TEST_P(SandboxBackends, ProgramsShareNothing) {
  EXPECT_EQ(run("import math, builtins\nmath.pi = builtins.len = 3\nopen('left', 'w').write('x')\nassert False").verdict, SandboxVerdict::failed);
  EXPECT_EQ(run("import math, os\nassert math.pi > 3.1 and len([]) == 0 and os.listdir('.') == []").verdict, SandboxVerdict::passed);
}

TEST_P(SandboxBackends, LargeAndOddSources) {
  EXPECT_EQ(run("x = '" + std::string(3 << 20, 'a') + "'\nassert len(x) == 3 << 20").verdict, SandboxVerdict::passed);
  EXPECT_EQ(run("# \xff\xfe\nassert True").verdict, SandboxVerdict::passed);
  EXPECT_EQ(run(std::string("x = 1\0", 6)).verdict, SandboxVerdict::syntax_error);
  ProgramRun deep = run(std::string(200000, '(') + "1");
  EXPECT_TRUE(deep.verdict == SandboxVerdict::syntax_error || deep.verdict == SandboxVerdict::memory_limit) << to_string(deep.verdict);
  SandboxLimits limits = quick_limits();
  ProgramRun huge = sandbox_->run(std::string(10 << 20, '-') + "1", limits);
  EXPECT_NE(huge.verdict, SandboxVerdict::passed);
  EXPECT_NE(huge.verdict, SandboxVerdict::infrastructure);
  EXPECT_EQ(run("assert True").verdict, SandboxVerdict::passed);
}

TEST_P(SandboxBackends, ManyThreadsShareTheWorkers) {
  std::vector<std::thread> threads;
  std::atomic<int> passed{0}, failed{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        SandboxLimits limits;
        limits.wall = std::chrono::seconds(20);
        ProgramRun result = sandbox_->run(t % 2 ? "assert True" : "assert False", limits);
        passed += result.verdict == SandboxVerdict::passed;
        failed += result.verdict == SandboxVerdict::failed;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 15);
  EXPECT_EQ(failed, 15);
}

TEST_P(SandboxBackends, NamesItself) { EXPECT_NE(sandbox_->backend().find("seccomp"), std::string::npos); }

TEST_P(SandboxBackends, SeesTheEndOfTheTestsInTheStack) {
  EXPECT_EQ(sandbox_->backend().find("nonce alone"), std::string::npos) << sandbox_->backend();
}

INSTANTIATE_TEST_SUITE_P(All, SandboxBackends, testing::Values("namespaces", "landlock"), test_name);

TEST(SandboxOpening, RefusesWithoutABackEnd) {
  SandboxOptions options;
  options.force_backend = "unsafe";
  auto refused = open_sandbox(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::environment);
  EXPECT_NE(refused.error().message.find("--unsafe-code"), std::string::npos);
  options.allow_unsafe = true;
  auto unsafe = open_sandbox(options);
  ASSERT_TRUE(unsafe) << unsafe.error().message;
  EXPECT_EQ((*unsafe)->backend(), "UNSAFE");
  EXPECT_EQ((*unsafe)->run("assert True", quick_limits()).verdict, SandboxVerdict::passed);
  EXPECT_EQ((*unsafe)->run("import os; os._exit(0)", quick_limits()).verdict, SandboxVerdict::exited);
}

TEST(SandboxOpening, AWrongInterpreterIsNamed) {
  SandboxOptions options;
  options.python = "/nowhere/python3";
  auto refused = open_sandbox(options);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/nowhere/python3"), std::string::npos);
}

TEST(SandboxOpening, FindsARealInterpreter) {
  auto python = find_python();
  ASSERT_TRUE(python) << python.error().message;
  auto head = read_file(python->executable);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->substr(1, 3), "ELF") << python->executable << " is a script";
  for (const std::string& folder : python->folders) EXPECT_TRUE(folder.size() > 4) << folder;
}

TEST(SandboxOpening, ProbesEveryBackEnd) {
  auto probes = probe_sandboxes();
  EXPECT_EQ(probes.size(), 2u);
  for (const auto& [name, state] : probes) EXPECT_FALSE(state.empty()) << name;
}

}  // namespace
}  // namespace qeval
