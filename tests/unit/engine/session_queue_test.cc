#include "qeval/engine/session_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace qeval {
namespace {

using std::chrono::milliseconds;

Request request(RequestId id, int priority = 0) {
  Request out;
  out.id = id;
  out.priority = priority;
  return out;
}

TEST(SessionQueue, HigherPriorityFirstThenOldest) {
  SessionQueue queue(10);
  for (auto [id, priority] : {std::pair{1, 0}, {2, 5}, {3, 0}, {4, 5}, {5, -1}})
    ASSERT_TRUE(queue.submit(request(id, priority)).value());
  std::vector<RequestId> order;
  for (auto& item : queue.take(10)) order.push_back(item.request.id);
  EXPECT_EQ(order, (std::vector<RequestId>{2, 4, 1, 3, 5}));
}

TEST(SessionQueue, SameIdTwiceInFlightIsRefusedButReusableAfterwards) {
  SessionQueue queue(10);
  ASSERT_TRUE(queue.submit(request(1)).value());
  EXPECT_FALSE(queue.submit(request(1)).has_value());
  queue.take(1);
  Response response;
  response.id = 1;
  queue.complete(response);
  queue.complete(response);  // a second answer is dropped
  EXPECT_TRUE(queue.submit(request(1)).value());
  EXPECT_TRUE(queue.next(milliseconds(0)));
  EXPECT_FALSE(queue.next(milliseconds(0)));
}

TEST(SessionQueue, CancelOfTakenRequestIsSeenByWorker) {
  SessionQueue queue(10);
  ASSERT_TRUE(queue.submit(request(1)).value());
  auto items = queue.take(1);
  const uint64_t before = queue.interrupt_count();
  EXPECT_FALSE(queue.cancelled(1));
  queue.cancel(1);
  EXPECT_TRUE(queue.cancelled(1));
  EXPECT_NE(queue.interrupt_count(), before);
  EXPECT_FALSE(queue.next(milliseconds(0)));  // the worker answers it
}

TEST(SessionQueue, DeadSessionFailsWhatWaitsAndRefusesMore) {
  SessionQueue queue(10);
  ASSERT_TRUE(queue.submit(request(1)).value());
  queue.die({ErrorKind::environment, "device lost"}, EngineFailure::engine_error);
  auto response = queue.next(milliseconds(0));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->failure, EngineFailure::engine_error);
  EXPECT_EQ(response->failure_message, "device lost");
  auto refused = queue.submit(request(2));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "device lost");
  EXPECT_TRUE(queue.finished());
}

TEST(SessionQueue, NextWakesWhenAnotherThreadCompletes) {
  SessionQueue queue(10);
  ASSERT_TRUE(queue.submit(request(1)).value());
  std::thread worker([&] {
    ASSERT_TRUE(queue.wait_for_work(std::chrono::seconds(10)));
    for (auto& item : queue.take(1)) {
      Response response;
      response.id = item.request.id;
      queue.complete(response);
    }
  });
  auto response = queue.next(milliseconds(10000));
  worker.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->id, 1u);
  EXPECT_FALSE(queue.finished());
  queue.close_input();
  EXPECT_TRUE(queue.finished());
}

}  // namespace
}  // namespace qeval
