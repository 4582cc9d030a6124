// Which products llama.cpp hands over.
#include "qeval/engine/llama/matrix_backend.h"

#include <gtest/gtest.h>

#include "qeval/engine/llama/matrix_products.h"
#include "qeval/engine/llama/tile_product.h"
#include "session_support.h"
#include "synthetic_support.h"

namespace qeval {
namespace {

class MatrixBackendTakes : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const bool bf16 = GetParam() != "F32";
    if (!has_tile_product() && !MatrixProducts::shared().find({bf16, 64, 64, 64, 64, 64}))
      GTEST_SKIP() << "built without oneDNN, or no fast kernel on this CPU";
  }
};

TEST_P(MatrixBackendTakes, WhatIsScoredWholeAndWhatIsWrittenWhereThereAreManyRows) {
  SyntheticModelOptions wide = tiny_options("qwen3");
  wide.d_model = 256;
  wide.type = GetParam();
  const std::string path = temp_path("wide_" + wide.type + ".gguf");
  ASSERT_TRUE(make_synthetic_gguf(wide, path).has_value());
  auto engine = load_synthetic(path);
  ASSERT_NE(engine, nullptr);
  std::vector<Request> written;
  for (int i = 0; i < 64; ++i) written.push_back(generate_request(static_cast<RequestId>(i), "Number " + std::to_string(i), 4));
  int64_t before = matrix_backend_products();
  ask(*engine, {written[0]});
  if (GetParam() == "BF16" && has_tile_product()) EXPECT_GE(matrix_backend_products(), before + 4 * 3);
  else EXPECT_EQ(matrix_backend_products(), before);
  before = matrix_backend_products();
  if (GetParam() != "Q8_0") {  // answers are written with llama.cpp's own layout of these weights
    ask(*engine, written);
    EXPECT_GE(matrix_backend_products(), before + 4 * 3);  // at least gate, up, down of each layer
  }
  before = matrix_backend_products();
  ask(*engine, {score_request(1, "Number 1", " is odd")});
  EXPECT_GE(matrix_backend_products(), before + 4 * 7);
}

INSTANTIATE_TEST_SUITE_P(Types, MatrixBackendTakes, testing::Values("F32", "BF16", "Q8_0"), [](const auto& one) { return one.param; });

}  // namespace
}  // namespace qeval
