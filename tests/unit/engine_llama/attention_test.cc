// Attention against the sum written out in double, over shapes and masks drawn at random, and its place in llama.cpp's graphs.
#include "qeval/engine/llama/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "qeval/engine/llama/ordered_product.h"
#include "qeval/util/random.h"
#include "session_support.h"
#include "synthetic_support.h"

namespace qeval {
namespace {

struct Case {
  int64_t n_rows = 64, n_cells = 256, group = 3, n_kv_heads = 2, n_streams = 1, k_width = 64, v_width = 64;
  ggml_type k_type = GGML_TYPE_F16, v_type = GGML_TYPE_F16;
  int n_threads = 2;
  // Whether row sees cell; null: no mask.
  std::function<bool(int64_t stream, int64_t row, int64_t cell)> sees;
};

float get(const ggml_tensor* t, int64_t i0, int64_t i1, int64_t i2, int64_t i3) {
  const char* at = static_cast<const char*>(t->data) + static_cast<size_t>(i0) * t->nb[0] + static_cast<size_t>(i1) * t->nb[1] +
                   static_cast<size_t>(i2) * t->nb[2] + static_cast<size_t>(i3) * t->nb[3];
  if (t->type == GGML_TYPE_F16) return ggml_fp16_to_fp32(*reinterpret_cast<const ggml_fp16_t*>(at));
  return *reinterpret_cast<const float*>(at);
}

void fill(ggml_tensor* t, PyRandom& random, double spread) {
  for (int64_t i = 0; i < ggml_nelements(t); ++i) {
    const auto value = static_cast<float>((random.random() - 0.5) * spread);
    if (t->type == GGML_TYPE_F16)
      static_cast<ggml_fp16_t*>(t->data)[i] = ggml_fp32_to_fp16(value);
    else
      static_cast<float*>(t->data)[i] = value;
  }
}

class AttentionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_fast_ordered_product()) GTEST_SKIP() << "a CPU without fast vectors";
    backend_ = ggml_backend_cpu_init();
  }
  void TearDown() override {
    ggml_backend_buffer_free(buffer_);
    ggml_free(context_);
    if (backend_) ggml_backend_free(backend_);
  }

  // Laid out as llama.cpp does: heads of a row beside each other.
  ggml_tensor* build(const Case& c, bool cast = false) {
    context_ = ggml_init({size_t{1} << 20, nullptr, true});
    const auto rows = [&](ggml_type type, int64_t width, int64_t heads, int64_t n) {
      return ggml_permute(context_, ggml_new_tensor_4d(context_, type, width, heads, n, c.n_streams), 0, 2, 1, 3);
    };
    ggml_tensor* q = rows(GGML_TYPE_F32, c.k_width, c.group * c.n_kv_heads, c.n_rows);
    ggml_tensor* k = rows(c.k_type, c.k_width, c.n_kv_heads, c.n_cells);
    ggml_tensor* v = rows(c.v_type, c.v_width, c.n_kv_heads, c.n_cells);
    ggml_tensor* mask = c.sees ? ggml_new_tensor_4d(context_, GGML_TYPE_F16, c.n_cells, c.n_rows, 1, c.n_streams) : nullptr;
    ggml_tensor* node = ggml_flash_attn_ext(context_, q, cast ? ggml_cast(context_, k, GGML_TYPE_F16) : k,
                                            cast ? ggml_cast(context_, v, GGML_TYPE_F16) : v, mask,
                                            1 / std::sqrt(static_cast<float>(c.k_width)), 0, 0);
    buffer_ = ggml_backend_alloc_ctx_tensors(context_, backend_);
    PyRandom random(static_cast<uint64_t>(c.n_rows * 31 + c.n_cells));
    fill(q->view_src, random, 12);
    fill(k->view_src, random, 4);
    fill(v->view_src, random, 2);
    for (int64_t s = 0; mask && s < c.n_streams; ++s)
      for (int64_t r = 0; r < c.n_rows; ++r)
        for (int64_t i = 0; i < c.n_cells; ++i)
          static_cast<ggml_fp16_t*>(mask->data)[(s * c.n_rows + r) * c.n_cells + i] =
              ggml_fp32_to_fp16(c.sees(s, r, i) ? 0 : -std::numeric_limits<float>::infinity());
    return node;
  }

  static void expect_sums(const ggml_tensor* node, const Case& c, const ggml_tensor* k, const ggml_tensor* v) {
    const ggml_tensor* q = node->src[0];
    for (int64_t s = 0; s < c.n_streams; ++s)
      for (int64_t h = 0; h < c.group * c.n_kv_heads; ++h)
        for (int64_t r = 0; r < c.n_rows; ++r) {
          std::vector<double> weights(static_cast<size_t>(c.n_cells), 0), wanted(static_cast<size_t>(c.v_width), 0);
          double sum = 0;
          for (int64_t i = 0; i < c.n_cells; ++i) {
            if (c.sees && !c.sees(s, r, i)) continue;
            double score = 0;
            for (int64_t d = 0; d < c.k_width; ++d) score += double{get(q, d, r, h, s)} * get(k, d, i, h / c.group, s);
            sum += weights[static_cast<size_t>(i)] = std::exp(score / std::sqrt(static_cast<double>(c.k_width)));
          }
          for (int64_t i = 0; i < c.n_cells; ++i)
            for (int64_t d = 0; d < c.v_width && weights[static_cast<size_t>(i)] > 0; ++d)
              wanted[static_cast<size_t>(d)] += weights[static_cast<size_t>(i)] / sum * get(v, d, i, h / c.group, s);
          for (int64_t d = 0; d < c.v_width; ++d)
            ASSERT_NEAR(get(node, d, h, r, s), wanted[static_cast<size_t>(d)], 1e-5) << "stream " << s << " head " << h << " row " << r;
        }
  }

  void expect_right(const Case& c) {
    SCOPED_TRACE(testing::Message() << c.n_streams << " x " << c.n_rows << " rows, " << c.n_cells << " cells, " << c.n_kv_heads << " x " << c.group
                                    << " heads of " << c.k_width << ", " << c.v_width);
    TearDown();
    SetUp();
    ggml_tensor* node = build(c);
    attention_.compute(node, c.n_threads);
    expect_sums(node, c, node->src[1], node->src[2]);
  }

  Attention attention_;
  ggml_backend_t backend_ = nullptr;
  ggml_context* context_ = nullptr;
  ggml_backend_buffer_t buffer_ = nullptr;
};

bool causal(int64_t, int64_t row, int64_t cell) { return cell <= row + 100; }

TEST_F(AttentionTest, EqualsTheSumWrittenOut) {
  Case c;
  expect_right(c);  // no mask
  c.sees = causal;
  for (const int64_t n_rows : {1, 2, 4, 31, 32, 33, 130})
    for (const int64_t n_cells : {256, 528, 1040}) {
      c.n_rows = n_rows;
      c.n_cells = n_cells;
      c.n_threads = static_cast<int>(n_rows % 4 + 1);
      expect_right(c);
    }
}

TEST_F(AttentionTest, TakesStreamsHeadsWidthsAndTypesOfAllKinds) {
  PyRandom random(7);
  const auto one_of = [&](std::vector<int64_t> values) { return values[static_cast<size_t>(random.random() * static_cast<double>(values.size()))]; };
  for (int i = 0; i < 36; ++i) {
    Case c;
    c.n_rows = one_of({1, 3, 4, 9, 40, 97});
    c.n_cells = one_of({256, 272, 768});
    c.group = one_of({1, 2, 5, 16});
    c.n_kv_heads = one_of({1, 2, 3});
    c.n_streams = one_of({1, 2, 5});
    c.k_width = one_of({64, 80, 128});
    c.v_width = one_of({64, 96, 128});
    c.k_type = random.random() < 0.5 ? GGML_TYPE_F16 : GGML_TYPE_F32;
    c.v_type = random.random() < 0.5 ? GGML_TYPE_F16 : GGML_TYPE_F32;
    c.n_threads = 1 + i % 3;
    const auto salt = static_cast<uint64_t>(i);  // a tree's mask: far apart, and other cells for each row
    c.sees = [salt](int64_t stream, int64_t row, int64_t cell) {
      uint64_t x = (static_cast<uint64_t>(stream * 131 + row / 3) * 977 + static_cast<uint64_t>(cell / 8)) * 0x9E3779B97F4A7C15u + salt;
      x ^= x >> 29;
      return x * 0xBF58476D1CE4E5B9u >> 60 == 0 || cell == row;
    };
    expect_right(c);
  }
}

TEST_F(AttentionTest, LeavesOutWhatNoRowSees) {
  Case c;
  c.n_rows = 40;
  c.n_cells = 1024;
  c.sees = [](int64_t, int64_t row, int64_t cell) { return cell / 16 == 3 || (cell / 16 == 40 && row > 20); };
  ggml_tensor* node = build(c);
  ggml_tensor *k = node->src[1], *v = node->src[2];
  for (ggml_tensor* t : {k, v})  // what an unused cell holds must not matter
    for (int64_t cell = 0; cell < c.n_cells; ++cell)
      for (int64_t i = 0; cell / 16 != 3 && cell / 16 != 40 && i < t->ne[0]; ++i)
        *reinterpret_cast<ggml_fp16_t*>(static_cast<char*>(t->data) + static_cast<size_t>(cell) * t->nb[1] + static_cast<size_t>(i) * 2) = 0x7E00;
  attention_.compute(node, 2);
  expect_sums(node, c, k, v);
}

// A row's bits, with other rows seeing nothing, everything, or other cells; alone in its block or with 200 more.
TEST_F(AttentionTest, ARowDoesNotDependOnWhatOthersSee) {
  const auto own = [](int64_t cell) { return cell % 7 < 3 && cell > 20 && cell < 1900; };
  constexpr int64_t kRow = 5;
  std::vector<float> first;
  for (const int64_t n_rows : {6, 40, 206})
    for (int others = 0; others < 4; ++others) {
      TearDown();
      SetUp();
      Case c;
      c.n_rows = n_rows;
      c.n_cells = 2048;
      c.sees = [&](int64_t, int64_t row, int64_t cell) {
        return row == kRow ? own(cell) : others == 0 ? false : others == 1 ? true : others == 2 ? cell / 16 % 3 == row % 3 : cell <= row * 9;
      };
      ggml_tensor* node = build(c);
      PyRandom random(4);
      ggml_tensor* q = node->src[0];
      for (int64_t d = 0; d < c.k_width; ++d)  // rows and caches are drawn by size: what is compared has to be the same
        for (int64_t h = 0; h < q->ne[2]; ++h)
          *reinterpret_cast<float*>(static_cast<char*>(q->data) + static_cast<size_t>(kRow) * q->nb[1] + static_cast<size_t>(h) * q->nb[2] +
                                    static_cast<size_t>(d) * 4) = static_cast<float>(random.random() - 0.5) * 12;
      fill(node->src[1]->view_src, random, 4);
      fill(node->src[2]->view_src, random, 2);
      attention_.compute(node, 2, true);
      std::vector<float> row;
      for (int64_t h = 0; h < q->ne[2]; ++h)
        for (int64_t d = 0; d < c.v_width; ++d) row.push_back(get(node, d, h, kRow, 0));
      if (first.empty()) first = row;
      EXPECT_EQ(row, first) << n_rows << " rows, others " << others;
    }
}

TEST_F(AttentionTest, ARowThatSeesNothingIsZero) {
  Case c;
  c.sees = [](int64_t, int64_t row, int64_t cell) { return row != 5 && cell <= row; };
  ggml_tensor* node = build(c);
  attention_.compute(node, 2);
  for (int64_t h = 0; h < 6; ++h)
    for (int64_t d = 0; d < 64; ++d) EXPECT_EQ(get(node, d, h, 5, 0), 0);
}

TEST_F(AttentionTest, ReadsAnF32CacheBehindTheCast) {
  Case c;
  c.k_type = c.v_type = GGML_TYPE_F32;
  c.sees = causal;
  ggml_tensor* node = build(c, true);
  for (const ggml_tensor* cast : {node->src[1], node->src[2]}) std::memset(cast->data, 0xFF, ggml_nbytes(cast));
  ASSERT_TRUE(Attention::can_compute(node));
  attention_.compute(node, 2);
  expect_sums(node, c, node->src[1]->src[0], node->src[2]->src[0]);
}

// What a graph computed may be overwritten once it has been cast.
TEST_F(AttentionTest, ReadsTheCastOfWhatAGraphComputed) {
  Case c;
  c.k_type = c.v_type = GGML_TYPE_F32;
  c.sees = causal;
  ggml_tensor* node = build(c, true);
  ggml_backend_buffer_set_usage(buffer_, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
  for (ggml_tensor* cast : {node->src[1], node->src[2]}) {
    for (int64_t i2 = 0; i2 < cast->ne[2]; ++i2)
      for (int64_t i1 = 0; i1 < cast->ne[1]; ++i1)
        for (int64_t i0 = 0; i0 < cast->ne[0]; ++i0)
          static_cast<ggml_fp16_t*>(cast->data)[(i2 * cast->ne[1] + i1) * cast->ne[0] + i0] = ggml_fp32_to_fp16(get(cast->src[0], i0, i1, i2, 0));
    std::memset(cast->src[0]->view_src->data, 0xFF, ggml_nbytes(cast->src[0]->view_src));
  }
  attention_.compute(node, 2);
  expect_sums(node, c, node->src[1], node->src[2]);
}

// Little work is ggml's, except where it would go on with a cache rounded to F16, or rows are to be alike.
TEST_F(AttentionTest, LeavesLittleWorkToGgml) {
  Case c;
  c.n_rows = 1;
  c.n_cells = 256;
  c.group = 1;
  const ggml_tensor* node = build(c);
  EXPECT_FALSE(Attention::can_compute(node));
  EXPECT_TRUE(Attention::can_compute(node, true));
  c.k_type = GGML_TYPE_F32;
  TearDown();
  SetUp();
  EXPECT_TRUE(Attention::can_compute(build(c, true)));
}

TEST_F(AttentionTest, LeavesToGgmlWhatItCannotDo) {
  Case c;
  c.sees = causal;
  ggml_tensor* node = build(c);
  ASSERT_TRUE(Attention::can_compute(node));
  const auto with_parameter = [&](int i, float value) {
    const ggml_tensor kept = *node;
    std::memcpy(node->op_params + i, &value, sizeof value);
    const bool can = Attention::can_compute(node);
    *node = kept;
    return can;
  };
  EXPECT_TRUE(with_parameter(0, 8.0f));
  EXPECT_FALSE(with_parameter(1, 8.0f));   // biases by position
  EXPECT_FALSE(with_parameter(2, 30.0f));  // capped scores
  node->src[4] = node->src[0];             // sinks
  EXPECT_FALSE(Attention::can_compute(node));
  node->src[4] = nullptr;
  node->src[2]->type = GGML_TYPE_BF16;
  EXPECT_FALSE(Attention::can_compute(node));
  TearDown();
  SetUp();
  c.n_cells = 248;  // no whole groups of cells
  EXPECT_FALSE(Attention::can_compute(build(c)));
}

// Both ways of asking, in the types whose caches it reads; what it leaves to ggml is what few tokens need.
TEST_F(AttentionTest, LlamaHandsItOver) {
  for (const char* type : {"BF16", "F32"}) {
    SyntheticModelOptions options = tiny_options("qwen3");
    options.type = type;
    const std::string path = temp_path(std::string("attention_") + type + ".gguf");
    ASSERT_TRUE(make_synthetic_gguf(options, path).has_value());
    auto engine = load_synthetic(path);
    ASSERT_NE(engine, nullptr);
    std::vector<Request> scored, written;
    for (int i = 0; i < 64; ++i) {
      scored.push_back(score_request(static_cast<RequestId>(i), "Number " + std::to_string(i), " is odd"));
      written.push_back(generate_request(static_cast<RequestId>(i), "Number " + std::to_string(i), 4));
    }
    const int64_t before = Attention::n_computed();
    ask(*engine, scored);
    const int64_t after_scoring = Attention::n_computed();
    EXPECT_GT(after_scoring, before) << type;
    ask(*engine, written);
    EXPECT_GT(Attention::n_computed(), after_scoring) << type;
  }
}

}  // namespace
}  // namespace qeval
