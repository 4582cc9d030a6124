#include "qeval/engine/openai/concurrency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace qeval {
namespace {

// A server whose rate of answers depends on how many are in flight.
int settled(ConcurrencyControl& control, const std::function<double(int)>& rate, int n_answers) {
  SteadyClock::time_point now{};
  double seconds = 0;
  for (int i = 0; i < n_answers; ++i) {
    seconds += 1 / rate(control.limit());
    control.on_answer(now + std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)), 10, control.limit());
  }
  return control.limit();
}

TEST(ConcurrencyControl, RisesWhileThroughputDoes) {
  ConcurrencyControl control(256, true);
  EXPECT_EQ(settled(control, [](int n) { return 2.0 * n; }, 20000), 256);
}

TEST(ConcurrencyControl, StaysWhereTheServerIsFull) {
  ConcurrencyControl control(256, true);
  // Full at 32: more brings nothing.
  const int n = settled(control, [](int k) { return 2.0 * std::min(k, 32); }, 3000);
  EXPECT_GE(n, 32);
  EXPECT_LE(n, 80);
}

TEST(ConcurrencyControl, ReturnsWhereMoreHurts) {
  ConcurrencyControl control(256, true);
  const int n = settled(control, [](int k) { return k <= 40 ? 2.0 * k : 20.0; }, 3000);
  EXPECT_LE(n, 40);
  EXPECT_GE(n, 16);
}

TEST(ConcurrencyControl, GivesWayAndComesBack) {
  ConcurrencyControl control(64, true);
  const int before = settled(control, [](int n) { return 2.0 * n; }, 5000);
  ASSERT_EQ(before, 64);
  SteadyClock::time_point now{};
  control.on_push_back(now + std::chrono::hours(1));
  const int after = control.limit();
  EXPECT_LT(after, before);
  control.on_push_back(now + std::chrono::hours(1) + std::chrono::milliseconds(10));
  EXPECT_EQ(control.limit(), after) << "a burst counts once";
  control.on_server_queue(now + std::chrono::hours(2), 30, 12);
  EXPECT_LE(control.limit(), 15);
  EXPECT_GE(control.limit(), 12);
}

// A server that now and then says 429 is not starved.
TEST(ConcurrencyControl, HoldsItsGroundAgainstStray429) {
  ConcurrencyControl control(64, true);
  SteadyClock::time_point start{};
  double seconds = 0, sum = 0;
  for (int i = 1; i <= 5000; ++i) {
    seconds += 1 / (2.0 * control.limit());
    const auto now = start + std::chrono::hours(1) + std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
    if (i % 40 == 0) control.on_push_back(now);
    else control.on_answer(now, 10, control.limit());
    sum += control.limit();
  }
  EXPECT_GT(sum / 5000, 8);
}

TEST(ConcurrencyControl, KeepsStillWhenTold) {
  ConcurrencyControl control(500, false);
  control.on_push_back(SteadyClock::now());
  control.on_server_queue(SteadyClock::now(), 100, 1);
  EXPECT_EQ(control.limit(), 500);
}

}  // namespace
}  // namespace qeval
