#include <fcntl.h>
#include <poll.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "child_process.h"
#include "store_fixture.h"

namespace qeval {
namespace {

using Kill = StoreTest;

// Writes answers from two threads and reports each on the pipe once put_response returned.
int writing_child(const std::string& path, int fd, int64_t first) {
  auto store = open_store(path, {});
  if (!store) return 1;
  RunRecord record;
  record.run_key = "killed";
  auto run = (*store)->begin_run(record, false);
  if (!run || !(*store)->lease(run->id)) return 2;
  auto write_some = [&](int64_t offset) {
    for (int64_t n = first + offset;; n += 2) {
      Request request;
      request.prompt = "q" + std::to_string(n) + std::string(static_cast<size_t>(n % 700), 'x');
      Response response;
      response.finish = FinishReason::end_of_turn;
      response.text = "a" + std::to_string(n);
      Sample sample;
      sample.doc_id = n;
      sample.doc = {{"n", n}};
      if (!(*store)->put_sample(run->id, "task", sample)) ::_exit(3);
      if (!(*store)->put_response(run->id, {"task", n, 0}, "key " + std::to_string(n), request, response)) ::_exit(4);
      if (::write(fd, &n, sizeof n) != sizeof n) ::_exit(5);
    }
  };
  std::thread other(write_some, 1);
  write_some(0);
  return 0;
}

TEST_F(Kill, WhatWasReportedIsThere) {
  std::mt19937 random(20);
  std::set<int64_t> reported;
  for (int round = 0; round < 20; ++round) {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    int64_t first = int64_t{1'000'000} * round;
    pid_t pid = start_child([&] { return writing_child(path_, fds[1], first); });
    ::close(fds[1]);
    // From the first answer on, a random while; the pipe is drained so that it cannot hold the child back.
    auto end = std::chrono::steady_clock::time_point::max();
    int64_t n = 0;
    while (true) {
      pollfd poll_fd{fds[0], POLLIN, 0};
      ::poll(&poll_fd, 1, 1);
      if (poll_fd.revents & POLLIN) {
        if (::read(fds[0], &n, sizeof n) != sizeof n) break;
        reported.insert(n);
        if (end == std::chrono::steady_clock::time_point::max())
          end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 60'000);
      } else if (poll_fd.revents & POLLHUP) {
        break;
      }
      if (std::chrono::steady_clock::now() >= end) break;
    }
    ::kill(pid, SIGKILL);
    EXPECT_EQ(wait_child(pid), 255) << "round " << round << ": the child ended by itself";
    while (::read(fds[0], &n, sizeof n) == sizeof n) reported.insert(n);
    ::close(fds[0]);
    auto store = open(path_);
    ASSERT_NE(store, nullptr);
    std::set<int64_t> stored;
    ASSERT_TRUE(store->for_each_sample(1, "task", [&](SampleRecord&& sample) {
      if (sample.responses.empty()) return true;
      EXPECT_EQ(sample.responses[0].text, "a" + std::to_string(sample.doc_id));
      EXPECT_EQ(json_int(sample.sample.value("doc", Json()), "n", -1), sample.doc_id);
      stored.insert(sample.doc_id);
      return true;
    }));
    for (int64_t one : reported)
      ASSERT_TRUE(stored.contains(one)) << "round " << round << ": " << one << " was reported and is lost";
    ASSERT_EQ(store->runs()->size(), 1u);
  }
  EXPECT_GT(reported.size(), 20u);
  auto store = open(path_);
  StoreCheck check = checked(*store);
  EXPECT_TRUE(check.ok) << check.problems.at(0);
  EXPECT_EQ(check.counts["superseded_responses"], 0);
}

}  // namespace
}  // namespace qeval
