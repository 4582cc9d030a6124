#include "qeval/text/table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "qeval/text/unicode.h"

namespace qeval {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(Table, TerminalIsAlignedByWidth) {
  Table table{{"task", "score"}, {Align::left, Align::right}, {{"gsm8k", "42.1 %"}, {"中文", "7 %"}}};
  EXPECT_EQ(table.terminal(),
            "┌───────┬────────┐\n"
            "│ task  │  score │\n"
            "├───────┼────────┤\n"
            "│ gsm8k │ 42.1 % │\n"
            "│ 中文  │    7 % │\n"
            "└───────┴────────┘\n");
  EXPECT_EQ(table.terminal(false),
            "+-------+--------+\n"
            "| task  |  score |\n"
            "+-------+--------+\n"
            "| gsm8k | 42.1 % |\n"
            "| 中文  |    7 % |\n"
            "+-------+--------+\n");
}

TEST(Table, MarkdownIsAligned) {
  Table table{{"task", "n"}, {Align::left, Align::right}, {{"a|b", "10"}, {"x", "7"}}};
  EXPECT_EQ(table.markdown(),
            "| task |   n |\n"
            "| ---- | --: |\n"
            "| a\\|b |  10 |\n"
            "| x    |   7 |\n");
}

TEST(Table, RaggedAndEmptyTables) {
  EXPECT_EQ(Table{}.terminal(), "");
  EXPECT_EQ(Table{}.markdown(), "");
  Table ragged{{"a"}, {}, {{"1", "2"}, {}}};
  EXPECT_EQ(lines_of(ragged.terminal()).size(), 6u);
  EXPECT_EQ(lines_of(ragged.markdown())[2], "| 1   | 2   |");
}

TEST(Table, HostileCellsStayInTheirRow) {
  std::string evil = "x\n\x1b[2J|<script>\t`\xE2\x80\xAE\r\ny\xff";
  Table table{{"h"}, {}, {{evil}, {"plain"}}};
  std::vector<std::string> lines = lines_of(table.terminal());
  ASSERT_EQ(lines.size(), 6u);
  for (const std::string& line : lines) {
    EXPECT_EQ(display_width(line), display_width(lines[0]));
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find("\xE2\x80\xAE"), std::string::npos);
  }
  ASSERT_EQ(lines_of(table.markdown()).size(), 4u);
  EXPECT_EQ(escape_markdown_cell(evil), "x<br>\\\\x1b\\[2J\\|&lt;script&gt; \\`\\\\u202e<br>y\\\\xff");
  EXPECT_EQ(escape_markdown_cell(" a*b "), "a\\*b");
}

}  // namespace
}  // namespace qeval
