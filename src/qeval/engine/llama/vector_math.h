#pragma once

#include <cstdint>
#include <cstring>

// Function versions for wider vectors, chosen at load time. Not under sanitizers: their runtime is not up yet when
// the choice is made.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define QEVAL_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define QEVAL_VECTOR_CLONES
#endif

namespace qeval {

// For loops that g++ would leave one float at a time; at any address.
inline constexpr int64_t kFloats = 16;
using Floats = float __attribute__((vector_size(4 * kFloats), aligned(4)));

inline __attribute__((always_inline)) const Floats& floats_at(const float* at) { return *reinterpret_cast<const Floats*>(at); }
inline __attribute__((always_inline)) Floats& floats_at(float* at) { return *reinterpret_cast<Floats*>(at); }
// What is no number is passed over.
inline __attribute__((always_inline)) void keep_greater(Floats& best, const Floats& values) { best = values > best ? values : best; }

inline float greatest(const Floats& values) {
  float best = values[0];
  for (int64_t i = 1; i < kFloats; ++i) best = values[i] > best ? values[i] : best;
  return best;
}

// exp(x) for x in [-87, 0], below that as for -87: 2^n · p(r), r = x − n·ln2 in two parts; p is the degree-6 Taylor polynomial
// around 0, whose remainder on |r| ≤ ln2/2 is below 1.3e-7 relative. Loops over it are vectorised.
inline float exp_negative(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f;  // round to nearest
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

}  // namespace qeval
