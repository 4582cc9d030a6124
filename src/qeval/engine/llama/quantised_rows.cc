#include "qeval/engine/llama/quantised_rows.h"

#include <cstring>

#include "qeval/engine/llama/vector_math.h"

namespace qeval {
namespace {

constexpr int kAtOnce = 16;
using Bytes = uint8_t __attribute__((vector_size(kAtOnce)));
using Ints = int32_t __attribute__((vector_size(4 * kAtOnce)));
using Floats = float __attribute__((vector_size(4 * kAtOnce)));

float half_at(const uint8_t* from) {
  ggml_fp16_t half;
  std::memcpy(&half, from, sizeof half);
  return ggml_fp16_to_fp32(half);
}

// 32 weights: scale, then the low nibbles are the first half of them and the high ones the second.
QEVAL_VECTOR_CLONES void read_q4_0(const void* row, float* out, int64_t k) {
  constexpr int kBlockBytes = 18;
  const auto* block = static_cast<const uint8_t*>(row);
  for (int64_t at = 0; at < k; at += 2 * kAtOnce, block += kBlockBytes) {
    const float scale = half_at(block);
    Bytes quants;
    std::memcpy(&quants, block + 2, sizeof quants);
    const Floats first = __builtin_convertvector(__builtin_convertvector(quants & 15, Ints) - 8, Floats) * scale;
    const Floats second = __builtin_convertvector(__builtin_convertvector(quants >> 4, Ints) - 8, Floats) * scale;
    std::memcpy(out + at, &first, sizeof first);
    std::memcpy(out + at + kAtOnce, &second, sizeof second);
  }
}

// 256 weights of six bits: low fours of all, high twos of all, a scale of eight bits for each 16, one for the block. Each half of it is 32 columns
// of four weights, whose high bits share a byte.
QEVAL_VECTOR_CLONES void read_q6_k(const void* row, float* out, int64_t k) {
  constexpr int kBlock = 256, kBlockBytes = 210;
  const auto* block = static_cast<const uint8_t*>(row);
  for (int64_t at = 0; at < k; at += kBlock, block += kBlockBytes) {
    const float scale = half_at(block + kBlockBytes - 2);
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 8
      for (int group = 0; group < 8; ++group) {
        const float scaled = scale * static_cast<float>(static_cast<int8_t>(block[192 + half * 8 + group]));
        Bytes low, high;
        std::memcpy(&low, block + half * 64 + group % 4 * kAtOnce, sizeof low);
        std::memcpy(&high, block + 128 + half * 32 + group % 2 * kAtOnce, sizeof high);
        const Bytes bits = (group < 4 ? low & 15 : low >> 4) | ((high >> static_cast<uint8_t>(group / 2 * 2) & 3) << 4);
        const Floats weights = __builtin_convertvector(__builtin_convertvector(bits, Ints) - 32, Floats) * scaled;
        std::memcpy(out + at + half * 128 + group * kAtOnce, &weights, sizeof weights);
      }
    }
  }
}

}  // namespace

ToFloats quantised_row_reader(ggml_type type) {
  switch (type) {
    case GGML_TYPE_Q4_0: return read_q4_0;
    case GGML_TYPE_Q6_K: return read_q6_k;
    default: return ggml_get_type_traits(type)->to_float;
  }
}

}  // namespace qeval
