#include <atomic>
#include <thread>

#include "child_process.h"
#include "store_fixture.h"

namespace qeval {
namespace {

using Concurrency = StoreTest;

TEST_F(Concurrency, ThreadsWriteAndReadAtOnce) {
  auto store = open(path_);
  RunId run = begin(*store);
  constexpr int kThreads = 8, kEach = 150;
  std::atomic<int> n_failed{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        int64_t doc = t * kEach + i;
        std::string prompt = "q" + std::to_string(doc / 2);  // neighbours share a prompt
        n_failed += !store->put_response(run, {"task", doc, 0}, key(prompt), request(prompt), answer(prompt));
        n_failed += !store->put_scores(run, "task", doc, 1, {Score{}}, "");
      }
    });
  std::thread reader([&] {
    while (!done) {
      n_failed += !store->for_each_sample(run, "task", [&](SampleRecord&& sample) {
        n_failed += sample.responses.empty() || sample.responses[0].text != "q" + std::to_string(sample.doc_id / 2);
        return true;
      });
      n_failed += !store->find_response(key("q0"));
      n_failed += !store->runs();
    }
  });
  std::thread flusher([&] {
    while (!done) n_failed += !store->flush();
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  flusher.join();
  EXPECT_EQ(n_failed, 0);
  StoreCheck check = checked(*store);
  EXPECT_TRUE(check.ok);
  EXPECT_EQ(check.counts["samples"], kThreads * kEach);
  EXPECT_EQ(check.counts["responses"], kThreads * kEach / 2);
  EXPECT_EQ(check.counts["scores"], kThreads * kEach);
}

TEST_F(Concurrency, ABadJobTakesNoOtherWithIt) {
  auto store = open(path_);
  RunId run = begin(*store);
  std::atomic<int> n_good{0}, n_bad{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        bool bad = (i + t) % 3 == 0;
        std::string prompt = std::to_string(t * 100 + i);
        bool ok =
            store->put_response(bad ? 99 : run, {"task", t * 100 + i, 0}, key(prompt), request(prompt), answer("a"))
                .has_value();
        if (ok) ++n_good;
        if (!ok && bad) ++n_bad;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_good + n_bad, 400);
  EXPECT_EQ(samples(*store, run).size(), static_cast<size_t>(n_good));
}

TEST_F(Concurrency, ProcessesShareAStoreFromItsFirstMoment) {
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c)
    children.push_back(start_child([&]() -> int {
      auto store = open_store(path_, {});
      if (!store) return 1;
      auto run = (*store)->begin_run(record("process " + std::to_string(c)), false);
      if (!run || !(*store)->lease(run->id)) return 2;
      for (int i = 0; i < 60; ++i)
        if (!(*store)->put_response(run->id, {"task", i, 0}, key(std::to_string(i)), request(std::to_string(i)),
                                    answer("a")))
          return 3;
      return 0;
    }));
  for (pid_t child : children) EXPECT_EQ(wait_child(child), 0);
  auto store = open(path_);
  EXPECT_EQ(store->runs()->size(), 4u);
  StoreCheck check = checked(*store);
  EXPECT_TRUE(check.ok);
  EXPECT_EQ(check.counts["samples"], 240);
  EXPECT_EQ(check.counts["texts"], 62) << "prompts, settings and the answer are shared";
}

TEST_F(Concurrency, TwoProcessesOfOneCommandGetOneRun) {
  { auto store = open(path_); }
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c)
    children.push_back(start_child([&]() -> int {
      auto store = open_store(path_, {});
      return store && (*store)->begin_run(record("same"), false) ? 0 : 1;
    }));
  for (pid_t child : children) EXPECT_EQ(wait_child(child), 0);
  auto store = open(path_);
  EXPECT_EQ(store->runs()->size(), 1u);
}

}  // namespace
}  // namespace qeval
