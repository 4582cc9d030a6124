#include "qeval/util/random.h"

#include <gtest/gtest.h>

namespace qeval {

// Values printed by CPython 3.11: r = random.Random(1234)
TEST(PyRandom, MatchesCPython) {
  PyRandom r(1234);
  EXPECT_DOUBLE_EQ(r.random(), 0.9664535356921388);
  EXPECT_DOUBLE_EQ(r.random(), 0.4407325991753527);
  EXPECT_EQ(PyRandom(1234).sample(7473, 5), (std::vector<size_t>{6374, 3610, 957, 61, 742}));
  EXPECT_EQ(PyRandom(1234).sample(10, 5), (std::vector<size_t>{7, 1, 0, 9, 4}));
}

}  // namespace qeval
