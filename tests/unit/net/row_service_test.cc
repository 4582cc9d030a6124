#include "qeval/net/row_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_hub.h"

namespace qeval {
namespace {
using testing::HasSubstr;

TEST(RowService, PagesBecomeJsonLines) {
  FakeHub server;
  RowQuery query{"org/data", "main", "test", server.url};
  int64_t last = 0;
  auto rows = fetch_rows_as_jsonl(query, [&](int64_t done, int64_t total) {
    last = done;
    return total == 250;
  });
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(std::count(rows->begin(), rows->end(), '\n'), 250);
  EXPECT_EQ(last, 250);
  EXPECT_EQ(rows->substr(0, rows->find('\n')), "{\"question\":\"main test 0 ü\",\"n\":0,\"x\":0.5}");
  EXPECT_EQ(server.n_requests("hub"), 3U);
}

TEST(RowService, SaysWhatIsWrong) {
  FakeHub server;
  auto error_of = [&](const std::string& split) {
    return fetch_rows_as_jsonl({"org/data", "main", split, server.url}).error();
  };
  EXPECT_THAT(error_of("cut").message, HasSubstr("cut row 7 short"));
  EXPECT_EQ(error_of("empty").kind, ErrorKind::unavailable);
  EXPECT_EQ(error_of("absent").kind, ErrorKind::not_found);
  RowQuery few{"org/data", "main", "test", server.url};
  few.max_rows = 100;
  EXPECT_THAT(fetch_rows_as_jsonl(few).error().message, HasSubstr("too many"));
}

}  // namespace
}  // namespace qeval
