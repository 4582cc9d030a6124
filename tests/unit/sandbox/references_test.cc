#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "qeval/util/clock.h"
#include "qeval/util/file.h"
#include "qeval/util/json.h"
#include "sandbox_test_util.h"

namespace qeval {
namespace {

using namespace sandbox_test;

struct Reference {
  std::string name, program;
};

std::vector<Json> read_rows(const std::string& path) {
  std::vector<Json> out;
  auto text = read_file_maybe_gzip(path);
  for (size_t start = 0; text && start < text->size();) {
    size_t end = std::min(text->find('\n', start), text->size());
    if (auto row = parse_json(std::string_view(*text).substr(start, end - start))) out.push_back(std::move(*row));
    start = end + 1;
  }
  return out;
}

std::vector<Reference> humaneval() {
  std::vector<Reference> out;
  std::string path = data_file("humaneval/HumanEval.jsonl.gz");
  if (path.empty()) return out;
  for (const Json& row : read_rows(path))
    out.push_back({json_string(row, "task_id"), json_string(row, "prompt") + json_string(row, "canonical_solution") + "\n" +
                                                    json_string(row, "test") + "\ncheck(" + json_string(row, "entry_point") + ")"});
  return out;
}

std::vector<Reference> mbpp() {
  std::vector<Reference> out;
  std::string path = data_file("mbpp/mbpp.jsonl");
  if (path.empty()) return out;
  for (const Json& row : read_rows(path)) {
    int64_t id = json_int(row, "task_id");
    if (id < 11 || id > 510) continue;
    std::string program = json_string(row, "code") + "\n" + json_string(row, "test_setup_code") + "\n";
    for (const Json& test : row.at("test_list")) program += test.get<std::string>() + "\n";
    out.push_back({fmt::format("MBPP/{}", id), program});
  }
  return out;
}

// Not asserted: the machine may be busy. Wall time in all, programs that did not pass.
double run_all(Sandbox& sandbox, const std::vector<Reference>& references, int n_threads) {
  auto start = SteadyClock::now();
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < n_threads; ++t)
    threads.emplace_back([&] {
      for (size_t i; (i = next++) < references.size();) {
        SandboxLimits limits;
        limits.wall = std::chrono::seconds(10);
        ProgramRun run = sandbox.run(references[i].program, limits);
        EXPECT_EQ(run.verdict, SandboxVerdict::passed) << references[i].name << ": " << to_string(run.verdict) << ": " << run.detail;
      }
    });
  for (std::thread& thread : threads) thread.join();
  return seconds_since(start);
}

class References : public testing::TestWithParam<std::string> {};

TEST_P(References, HumanEvalPasses) {
  std::vector<Reference> references = humaneval();
  if (references.empty()) GTEST_SKIP() << "no HumanEval data";
  ASSERT_EQ(references.size(), 164u);
  std::string why;
  auto sandbox = open_or_null(GetParam(), 1, why);
  if (!sandbox) GTEST_SKIP() << why;
  double seconds = run_all(*sandbox, references, 1);
  fmt::print("{}: 164 HumanEval references one after another in {:.2f} s, {:.1f} ms each\n", sandbox->backend(), seconds, seconds / 0.164);
}

TEST_P(References, MbppPasses) {
  if (GetParam() == "namespaces-once") GTEST_SKIP() << "the same isolation as namespaces";
  std::vector<Reference> references = mbpp();
  if (references.empty()) GTEST_SKIP() << "no MBPP data";
  ASSERT_EQ(references.size(), 500u);
  std::string why;
  auto sandbox = open_or_null(GetParam(), 2, why);
  if (!sandbox) GTEST_SKIP() << why;
  double seconds = run_all(*sandbox, references, 2);
  fmt::print("{}: 500 MBPP references on two workers in {:.2f} s\n", sandbox->backend(), seconds);
}

INSTANTIATE_TEST_SUITE_P(Backends, References, testing::ValuesIn(kBackendKeys), test_name);

}  // namespace
}  // namespace qeval
