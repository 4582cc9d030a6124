// Rows against ggml's own reading of them.
#include "qeval/engine/llama/quantised_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "qeval/util/random.h"

namespace qeval {
namespace {

class QuantisedRows : public testing::TestWithParam<ggml_type> {};

TEST_P(QuantisedRows, AreGgmlsRoundedToTheNearest) {
  constexpr int64_t kColumns = 1024 + 32;
  constexpr size_t kGap = 3;  // runs that belong to somebody else
  const ggml_type type = GetParam();
  const int64_t k = kColumns / ggml_blck_size(type) * ggml_blck_size(type);
  PyRandom random(11);
  for (int i = 0; i < 20; ++i) {
    std::vector<float> values(static_cast<size_t>(k));
    for (float& value : values) value = static_cast<float>(random.random() - 0.5) * static_cast<float>(i);
    std::vector<uint8_t> row(ggml_row_size(type, k));
    ggml_quantize_chunk(type, values.data(), row.data(), 0, 1, k, nullptr);
    ggml_get_type_traits(type)->to_float(row.data(), values.data(), k);
    std::vector<uint16_t> wanted(values.size() * (1 + kGap), 77), found = wanted;
    for (size_t at = 0; at < values.size(); ++at) wanted[at / 32 * 32 * (1 + kGap) + at % 32] = ggml_fp32_to_bf16(values[at]).bits;
    quantised_row_reader(type)(type, row.data(), k, found.data(), (1 + kGap) * 64);
    EXPECT_EQ(found, wanted) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, QuantisedRows,
                         testing::Values(GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_1, GGML_TYPE_Q8_0, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K),
                         [](const auto& one) { return std::string(ggml_type_name(one.param)); });

TEST(QuantisedRowsOf, FloatsAreReadByNobody) { EXPECT_EQ(quantised_row_reader(GGML_TYPE_I32), nullptr); }

}  // namespace
}  // namespace qeval
