// Which products llama.cpp hands over.
#include "qeval/engine/llama/matrix_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ggml-cpp.h"
#include "qeval/engine/llama/matrix_products.h"
#include "qeval/engine/llama/tile_product.h"
#include "qeval/util/random.h"
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
    const int64_t in_place = matrix_backend_in_place();
    ask(*engine, written);
    EXPECT_GE(matrix_backend_products(), before + 4 * 3);  // at least gate, up, down of each layer
    EXPECT_EQ(matrix_backend_in_place(), in_place);        // streams: llama.cpp may take their tokens in another order
  }
  before = matrix_backend_products();
  const int64_t gated = matrix_backend_gated();
  ask(*engine, {score_request(1, "Number 1", " is odd")});
  EXPECT_GE(matrix_backend_products(), before + 4 * 7);
  EXPECT_EQ(matrix_backend_gated() - gated, has_tile_product() ? 4 : 0);  // one a layer
}

INSTANTIATE_TEST_SUITE_P(Types, MatrixBackendTakes, testing::Values("F32", "BF16", "Q8_0"), [](const auto& one) { return one.param; });

// Rows are found by their place in the batch, so they may only stay where llama.cpp keeps its order.
TEST(LogitsOfASession, StayInPlaceWhereTheBatchKeepsItsOrder) {
  for (const std::string architecture : {"qwen3", "qwen35"}) {
    SCOPED_TRACE(architecture);
    const bool forks = architecture == "qwen35";
    auto engine = load_synthetic(synthetic_model(architecture));
    ASSERT_NE(engine, nullptr);
    const int64_t products = matrix_backend_products(), before = matrix_backend_in_place();
    ask(*engine, {score_request(1, "Number 1", " is odd"), score_request(2, "Number 2", " is even")});
    if (matrix_backend_products() == products) GTEST_SKIP() << "no fast products on this CPU";
    EXPECT_EQ(matrix_backend_in_place() > before, !forks);
  }
}

// A graph of ggml on the back end alone.
class MatrixBackend : public testing::Test {
 protected:
  static constexpr int64_t kRows = 64, kColumns = 256, kWide = 512;

  void SetUp() override {
    register_matrix_backend();
    const ggml_backend_reg_t registry = ggml_backend_reg_by_name("qeval");
    if (!registry || !has_tile_product()) GTEST_SKIP() << "this CPU has no tiles for BF16";
    backend_.reset(ggml_backend_dev_init(ggml_backend_reg_dev_get(registry, 0), nullptr));
    context_.reset(ggml_init({.mem_size = size_t{32} << 20, .mem_buffer = nullptr, .no_alloc = false}));
    rows_ = fill(kColumns, kRows);
    gate_ = ggml_mul_mat(context_.get(), fill(kColumns, kWide), rows_);
    up_ = ggml_mul_mat(context_.get(), fill(kColumns, kWide), rows_);
    both_ = ggml_swiglu_split(context_.get(), gate_, up_);
  }

  ggml_tensor* fill(int64_t columns, int64_t rows) {
    ggml_tensor* out = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, columns, rows);
    for (int64_t i = 0; i < ggml_nelements(out); ++i) static_cast<float*>(out->data)[i] = static_cast<float>(random_.random() - 0.5);
    return out;
  }

  // SwiGLU of the two products, and how often they were not written out.
  std::pair<std::vector<float>, int64_t> gated() {
    ggml_cgraph* graph = ggml_new_graph(context_.get());
    ggml_build_forward_expand(graph, both_);
    const int64_t before = matrix_backend_gated();
    EXPECT_EQ(ggml_backend_graph_compute(backend_.get(), graph), GGML_STATUS_SUCCESS);
    const auto* floats = static_cast<const float*>(both_->data);
    return {std::vector<float>(floats, floats + ggml_nelements(both_)), matrix_backend_gated() - before};
  }

  PyRandom random_{7};
  ggml_backend_ptr backend_;
  ggml_context_ptr context_;
  ggml_tensor *rows_ = nullptr, *gate_ = nullptr, *up_ = nullptr, *both_ = nullptr;
};

TEST_F(MatrixBackend, GatesOneProductByAnotherWithoutWritingThemOut) {
  const auto [found, n_gated] = gated();
  EXPECT_EQ(n_gated, 1);
  const auto product = [&](const ggml_tensor* of, int64_t row, int64_t column) {
    double sum = 0;
    for (int64_t t = 0; t < kColumns; ++t)
      sum += double{static_cast<const float*>(of->src[0]->data)[column * kColumns + t]} * static_cast<const float*>(rows_->data)[row * kColumns + t];
    return sum;
  };
  for (int64_t i = 0; i < kRows; i += 7)
    for (int64_t j = 0; j < kWide; j += 5) {
      const double gate = product(gate_, i, j);
      ASSERT_NEAR(found[static_cast<size_t>(i * kWide + j)], gate / (1 + std::exp(-gate)) * product(up_, i, j), 1e-5) << i << ", " << j;
    }
}

TEST_F(MatrixBackend, WritesOutAProductThatSomebodyElseReads) {
  const std::vector<float> wanted = gated().first;
  ggml_set_output(up_);
  const auto [found, n_gated] = gated();
  EXPECT_EQ(n_gated, 0);
  EXPECT_EQ(found, wanted);
}

TEST_F(MatrixBackend, WhatIsGatedIsTheRowsOfTheNextProductWithoutBeingWrittenOut) {
  ggml_tensor* down = ggml_mul_mat(context_.get(), fill(kWide, 96), both_);
  const auto computed = [&](bool somebody_else_reads) {
    if (somebody_else_reads) ggml_set_output(both_);
    std::memset(both_->data, 0, ggml_nbytes(both_));
    ggml_cgraph* graph = ggml_new_graph(context_.get());
    ggml_build_forward_expand(graph, down);
    EXPECT_EQ(ggml_backend_graph_compute(backend_.get(), graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(static_cast<const float*>(both_->data)[0] != 0, somebody_else_reads);
    const auto* floats = static_cast<const float*>(down->data);
    return std::vector<float>(floats, floats + ggml_nelements(down));
  };
  const std::vector<float> found = computed(false);
  EXPECT_EQ(found, computed(true));
  EXPECT_NE(found, std::vector<float>(found.size()));
}

TEST_F(MatrixBackend, LeavesLogitsWhereTheyAreWhileAsked) {
  ggml_set_name(both_, "result_output");
  const std::vector<float> wanted = gated().first;
  std::vector<float> copied(wanted.size(), -77);
  const auto read = [&] { ggml_backend_tensor_get_async(backend_.get(), both_, copied.data(), 0, ggml_nbytes(both_)); };
  {
    LogitsInPlace logits(true);
    EXPECT_TRUE(logits.logits().empty());
    read();
    EXPECT_EQ(logits.logits().data(), both_->data);
    EXPECT_EQ(logits.logits().size(), wanted.size());
    EXPECT_EQ(copied, std::vector<float>(wanted.size(), -77));
    EXPECT_THROW(read(), std::runtime_error);
    const LogitsInPlace off(false);
    read();
    EXPECT_EQ(copied, wanted);
  }
  std::fill(copied.begin(), copied.end(), -77.0f);
  read();
  EXPECT_EQ(copied, wanted);
}

TEST_F(MatrixBackend, CopiesWhatIsLargeInParts) {
  const ggml_tensor* large = fill(1024 * 1024 - 3, 3);
  std::vector<float> copied(static_cast<size_t>(ggml_nelements(large)) - 5);
  ggml_backend_tensor_get_async(backend_.get(), large, copied.data(), 20, copied.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(copied.data(), static_cast<const float*>(large->data) + 5, copied.size() * sizeof(float)), 0);
}

}  // namespace
}  // namespace qeval
