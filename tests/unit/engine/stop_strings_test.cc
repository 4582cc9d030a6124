#include "qeval/engine/stop_strings.h"

#include <gtest/gtest.h>

#include "qeval/util/random.h"

namespace qeval {
namespace {

TEST(StopScanner, EarliestBeginningWinsThenListOrder) {
  auto hit = StopScanner({"c", "b", "bc"}).scan("abcd");
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->position, 1u);
  EXPECT_EQ(hit->stop, "b");
  EXPECT_FALSE(StopScanner({"", "zz"}).scan("abc"));
  EXPECT_FALSE(StopScanner(std::vector<std::string>{}).scan("abc"));
}

TEST(StopScanner, FoundAcrossPieces) {
  StopScanner scanner({"\n\nQuestion:"});
  EXPECT_FALSE(scanner.scan("42\n"));
  EXPECT_FALSE(scanner.scan("42\n\nQues"));
  auto hit = scanner.scan("42\n\nQuestion: x");
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->position, 2u);
}

// Piece by piece it must stop at the piece in which a search of the whole text first finds anything.
TEST(StopScanner, AgreesWithWholeTextSearch) {
  PyRandom random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops;
    for (uint64_t i = 0; i < 1 + random.randbelow(3); ++i) {
      std::string stop;
      for (uint64_t j = 0; j < 1 + random.randbelow(4); ++j) stop += static_cast<char>('a' + random.randbelow(3));
      stops.push_back(stop);
    }
    std::string text;
    StopScanner scanner(stops);
    for (int piece = 0; piece < 10; ++piece) {
      for (uint64_t j = 0; j < random.randbelow(4); ++j) text += static_cast<char>('a' + random.randbelow(3));
      size_t expected = std::string::npos;
      for (const std::string& stop : stops) expected = std::min(expected, text.find(stop));
      auto hit = scanner.scan(text);
      ASSERT_EQ(hit ? hit->position : std::string::npos, expected) << text;
      if (hit) break;
    }
  }
}

}  // namespace
}  // namespace qeval
