#include "qeval/text/near_names.h"

#include <gtest/gtest.h>

namespace qeval {
namespace {

TEST(NearNames, NamesWhatWasProbablyMeant) {
  std::vector<std::string> known = {"balanced", "performance", "memory_optimized", "gsm8k", "gsm8k_cot"};
  EXPECT_EQ(near_names("balance", known), "; did you mean balanced?");
  EXPECT_EQ(near_names("gsm8", known), "; did you mean gsm8k, gsm8k_cot?");
  EXPECT_EQ(near_names("optimized", known), "; did you mean memory_optimized?");
  EXPECT_EQ(near_names("prefomance", known), "; did you mean performance?");
}

TEST(NearNames, IsSilentWhereNothingIsNear) {
  EXPECT_EQ(near_names("hellaswag", {"balanced", "gsm8k", ""}), "");
  EXPECT_EQ(near_names("", {"a"}), "");
  EXPECT_EQ(near_names("zz", {"a", "b"}), "");
  EXPECT_EQ(near_names(std::string(5000, 'x'), {std::string(5000, 'x')}), "");
}

}  // namespace
}  // namespace qeval
