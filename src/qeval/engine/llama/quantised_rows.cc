#include "qeval/engine/llama/quantised_rows.h"

#include <algorithm>
#include <cstring>

#include "ggml-cpu.h"
#include "qeval/engine/llama/vector_math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qeval {
namespace {

constexpr int64_t kSuperBlock = 256;  // weights of a block of the K types, and a whole number of blocks of any other
constexpr int64_t kRunBytes = 2 * kWeightsOfRun;

float half_at(const uint8_t* from) {
  ggml_fp16_t half;
  std::memcpy(&half, from, sizeof half);
  return ggml_fp16_to_fp32(half);
}

constexpr int kAtOnce = kFloats;
using Bytes = uint8_t __attribute__((vector_size(kAtOnce)));
using Ints = int32_t __attribute__((vector_size(4 * kAtOnce)));

// 256 weights of six bits: low fours of all, high twos of all, a scale of eight bits for each 16, one for the block. Each half of it is 32 columns
// of four weights, whose high bits share a byte. g++ does not vectorise ggml's loop.
QEVAL_VECTOR_CLONES void read_q6_k(const void* row, float* out, int64_t k) {
  constexpr int kBlockBytes = 210;
  const auto* block = static_cast<const uint8_t*>(row);
  for (int64_t at = 0; at < k; at += kSuperBlock, block += kBlockBytes) {
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

void read_as_floats(ggml_type type, const void* row, int64_t k, void* out, size_t stride) {
  const ggml_to_float_t to_float = type == GGML_TYPE_Q6_K ? read_q6_k : ggml_get_type_traits(type)->to_float;
  const auto* from = static_cast<const char*>(row);
  auto* to = static_cast<char*>(out);
  float floats[kSuperBlock];
  ggml_bf16_t rounded[kSuperBlock];
  for (int64_t at = 0; at < k; at += kSuperBlock, from += ggml_row_size(type, kSuperBlock)) {
    const int64_t n = std::min(k - at, kSuperBlock);
    to_float(from, floats, n);
    ggml_cpu_fp32_to_bf16(floats, rounded, n);
    for (int64_t i = 0; i < n; i += kWeightsOfRun, to += stride) std::memcpy(to, rounded + i, kRunBytes);
  }
}

#if defined(__x86_64__)

#define QEVAL_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,f16c")))
#define QEVAL_INLINE inline __attribute__((always_inline))

// Weights of four bits are few: what each may be worth is computed, and looked up.

QEVAL_BF16 QEVAL_INLINE __m512 broadcast_half(const uint8_t* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(half)));
}

QEVAL_BF16 QEVAL_INLINE __m512 count_from(int first) {
  const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_cvtepi32_ps(_mm512_add_epi32(steps, _mm512_set1_epi32(first)));
}

// The low fours of 16 bytes, and behind them the high ones, each as a word.
QEVAL_BF16 QEVAL_INLINE __m512i fours_in_halves(const uint8_t* bytes) {
  const __m256i words = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_and_si256(words, _mm256_set1_epi16(15))), _mm256_srli_epi16(words, 4), 1);
}

// 32 weights: a scale, for Q4_1 what is added too, then the low fours are the first half of them and the high ones the second.
template <bool Q4_1>
QEVAL_BF16 void read_q4(ggml_type, const void* row, int64_t k, void* out, size_t stride) {
  constexpr int kHead = Q4_1 ? 4 : 2, kBlockBytes = kHead + 16;
  const auto* block = static_cast<const uint8_t*>(row);
  auto* to = static_cast<char*>(out);
  for (int64_t at = 0; at < k; at += kWeightsOfRun, block += kBlockBytes, to += stride) {
    __m512 worth = _mm512_mul_ps(count_from(Q4_1 ? 0 : -8), broadcast_half(block));
    if constexpr (Q4_1) worth = _mm512_add_ps(worth, broadcast_half(block + 2));
    const __m512i table = _mm512_castsi256_si512(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(worth)));
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(fours_in_halves(block + kHead), table));
  }
}

// 256 weights in runs of 32: two scales of the block, eight pairs of six bits, then the low fours of 32 bytes are a run and the high ones the next.
QEVAL_BF16 void read_q4_k(ggml_type, const void* row, int64_t k, void* out, size_t stride) {
  constexpr int kBlockBytes = 144;
  const auto* block = static_cast<const uint8_t*>(row);
  auto* to = static_cast<char*>(out);
  for (int64_t at = 0; at < k; at += kSuperBlock, block += kBlockBytes) {
    const __m512 scale = broadcast_half(block), least = broadcast_half(block + 2);
    const uint8_t* packed = block + 4;
    const auto worth = [&](int i) QEVAL_BF16 {
      const int by = i < 4 ? packed[i] & 63 : (packed[i + 4] & 15) | (packed[i - 4] >> 6 << 4);
      const int less = i < 4 ? packed[i + 4] & 63 : (packed[i + 4] >> 4) | (packed[i] >> 6 << 4);
      const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(static_cast<float>(by)));
      const __m512 off = _mm512_mul_ps(least, _mm512_set1_ps(static_cast<float>(less)));
      return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_sub_ps(_mm512_mul_ps(factor, count_from(0)), off)));
    };
    for (int i = 0; i < 8; i += 2, to += 2 * stride) {
      const __m512i table = _mm512_inserti64x4(_mm512_castsi256_si512(worth(i)), worth(i + 1), 1);
      const __m512i words = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 16 + i * 16)));
      _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_and_si512(words, _mm512_set1_epi16(15)), table));
      _mm512_storeu_si512(to + stride, _mm512_permutexvar_epi16(_mm512_or_si512(_mm512_srli_epi16(words, 4), _mm512_set1_epi16(16)), table));
    }
  }
}

// 32 weights: a scale, then bytes.
QEVAL_BF16 void read_q8_0(ggml_type, const void* row, int64_t k, void* out, size_t stride) {
  constexpr int kBlockBytes = 34;
  const auto* block = static_cast<const uint8_t*>(row);
  auto* to = static_cast<char*>(out);
  for (int64_t at = 0; at < k; at += kWeightsOfRun, block += kBlockBytes, to += stride) {
    const __m512 scale = broadcast_half(block);
    const auto half = [&](int i) QEVAL_BF16 {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2 + i * 16));
      return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale);
    };
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(half(1), half(0))));
  }
}

bool has_vectors_of_bf16() {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

#endif

}  // namespace

ToBf16 quantised_row_reader(ggml_type type) {
  if (!ggml_get_type_traits(type)->to_float || ggml_blck_size(type) % kWeightsOfRun != 0 || kSuperBlock % ggml_blck_size(type) != 0) return nullptr;
#if defined(__x86_64__)
  if (has_vectors_of_bf16()) switch (type) {
      case GGML_TYPE_Q4_0: return read_q4<false>;
      case GGML_TYPE_Q4_1: return read_q4<true>;
      case GGML_TYPE_Q4_K: return read_q4_k;
      case GGML_TYPE_Q8_0: return read_q8_0;
      default: break;
    }
#endif
  return read_as_floats;
}

}  // namespace qeval
