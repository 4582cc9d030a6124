#include "qeval/engine/openai/sse_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace qeval {
namespace {

std::vector<std::string> events(const std::string& bytes, size_t piece, SseParser* parser) {
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size(); at += piece)
    parser->feed(std::string_view(bytes).substr(at, piece), [&](std::string_view data) {
      out.emplace_back(data);
      return true;
    });
  return out;
}

// Every cut of the bytes gives the same events.
TEST(SseParser, CutsAnywhere) {
  const std::string bytes =
      ": comment\n\ndata: one\n\nevent: x\nid: 7\ndata:two\ndata: lines\r\n\r\ndata: three\r\rretry: 5\n\ndata\n\nerror: {\"a\":1}\n\n";
  const std::vector<std::string> expected = {"one", "two\nlines", "three", "", "{\"a\":1}"};
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    SseParser parser;
    EXPECT_EQ(events(bytes, piece, &parser), expected) << piece;
    EXPECT_FALSE(parser.incomplete());
    EXPECT_FALSE(parser.saw_foreign_line());
  }
}

TEST(SseParser, KnowsHalfEventsAndStrangers) {
  SseParser half;
  EXPECT_TRUE(events("data: {\"x\"", 100, &half).empty());
  EXPECT_TRUE(half.incomplete());
  SseParser html;
  events("<html>\n<body>\n", 100, &html);
  EXPECT_TRUE(html.saw_foreign_line());
}

TEST(SseParser, IsBounded) {
  SseParser parser(100);
  EXPECT_EQ(events("data: ok\n\n", 100, &parser).size(), 1u);
  EXPECT_TRUE(events("data: " + std::string(200, 'x'), 10, &parser).empty());
  EXPECT_TRUE(parser.broken());
  SseParser lines(100);
  std::string many;
  for (int i = 0; i < 20; ++i) many += "data: 0123456789\n";
  EXPECT_TRUE(events(many, 1000, &lines).empty());
  EXPECT_TRUE(lines.broken());
}

}  // namespace
}  // namespace qeval
