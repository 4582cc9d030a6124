// Rows against ggml's own reading of them.
#include "qeval/engine/llama/quantised_rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "qeval/util/random.h"

namespace qeval {
namespace {

TEST(QuantisedRows, AreGgmlsToTheBit) {
  constexpr int64_t kColumns = 1024;
  PyRandom random(11);
  for (const ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_Q6_K}) {
    SCOPED_TRACE(ggml_type_name(type));
    const auto ggmls = ggml_get_type_traits(type)->to_float;
    EXPECT_NE(quantised_row_reader(type), ggmls);
    for (int i = 0; i < 20; ++i) {
      std::vector<float> values(static_cast<size_t>(kColumns));
      for (float& value : values) value = static_cast<float>(random.random() - 0.5) * static_cast<float>(i);
      std::vector<uint8_t> row(ggml_row_size(type, kColumns));
      ggml_quantize_chunk(type, values.data(), row.data(), 0, 1, kColumns, nullptr);
      std::vector<float> wanted(values.size() + 1, -77), found = wanted;
      ggmls(row.data(), wanted.data(), kColumns);
      quantised_row_reader(type)(row.data(), found.data(), kColumns);
      EXPECT_EQ(std::memcmp(wanted.data(), found.data(), wanted.size() * sizeof(float)), 0) << i;
    }
  }
  EXPECT_EQ(quantised_row_reader(GGML_TYPE_Q8_0), ggml_get_type_traits(GGML_TYPE_Q8_0)->to_float);
}

}  // namespace
}  // namespace qeval
