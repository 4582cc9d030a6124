// The rules of both sides of a prediction of memory.
#include "qeval/core/llama_sizes.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace qeval {
namespace {

TEST(LlamaSizes, StreamsHoldTheLongestAndLittleMore) {
  for (int longest = 1; longest <= 40000; longest += 7) {
    const int cells = stream_cells(longest, 100000);
    EXPECT_GE(cells, longest);
    EXPECT_EQ(cells % kCellStep, 0);
    EXPECT_LE(cells, longest * 5 / 4 + kCellStep) << longest;
    EXPECT_EQ(stream_cells(cells, 100000), cells) << "a step holds itself";
  }
  EXPECT_EQ(stream_cells(1692, 8192), 1792);
  EXPECT_EQ(stream_cells(9000, 9100), 9216) << "max_len, padded";
  EXPECT_GE(stream_cells(9000, 100), 9000) << "the request goes before max_len";
  EXPECT_EQ(stream_cells(300, INT32_MAX), 512);
}

TEST(LlamaSizes, RowsOfLogitsStayWithinTheirMemory) {
  for (const int vocab : {1, 1000, 49152, 151936, 262144, 1 << 20, 1 << 24}) {
    const int rows = most_logit_rows(vocab), tokens = micro_batch_tokens(vocab, true);
    EXPECT_GE(rows, 32);
    EXPECT_TRUE(rows == 32 || int64_t{4} * rows * vocab <= int64_t{160} << 20) << vocab;
    EXPECT_LE(tokens, rows) << "each token's row fits";
    EXPECT_GE(tokens, 32);
    EXPECT_LE(tokens, 512);
    EXPECT_LE(scored_rows(vocab, 2048), rows);
  }
  EXPECT_EQ(micro_batch_tokens(151936, true), 256);
  EXPECT_EQ(micro_batch_tokens(151936, false), 2048);
}

TEST(LlamaSizes, ScoringHoldsARequestAndAMicroBatch) {
  EXPECT_EQ(scoring_cells(300, 512, false), 1024);
  EXPECT_EQ(scoring_cells(300, 0, false), 512);
  EXPECT_EQ(scoring_cells(300, 256, true), 8704) << "and 32 of them where ends are held open";
}

TEST(LlamaSizes, StatesTakeAQuarterOfTheRoom) {
  EXPECT_EQ(scoring_states(1000, 10), 25);
  EXPECT_EQ(scoring_states(1, 10), 4);
  EXPECT_EQ(scoring_states(1e9, 10), kMostLlamaSequences);
  EXPECT_EQ(scoring_states(1e9, 0), kMostLlamaSequences) << "no state";
}

}  // namespace
}  // namespace qeval
