#include "qeval/engine/llama/log_softmax.h"

#include <algorithm>
#include <cmath>
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
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 4096;  // floats summed in float lanes before they move to double

// exp(x) for x in [-87, 0]: 2^n · p(r), r = x − n·ln2 in two parts; p is the degree-6 Taylor polynomial around 0,
// whose remainder on |r| ≤ ln2/2 is below 1.3e-7 relative.
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

QEVAL_VECTOR_CLONES float max_of(const float* x, size_t n) {
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -INFINITY);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  float best = -INFINITY;
  for (float lane : lanes) best = lane > best ? lane : best;
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

QEVAL_VECTOR_CLONES float sum_exp(const float* x, size_t n, float max, float inverse_t) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += exp_negative((x[i + j] - max) * inverse_t);
  float sum = 0;
  for (float lane : lanes) sum += lane;
  for (; i < n; ++i) sum += exp_negative((x[i] - max) * inverse_t);
  return sum;
}

QEVAL_VECTOR_CLONES void maxima_of_blocks(const float* x, size_t n_blocks, float* out) {
  for (size_t b = 0; b < n_blocks; ++b) {
    const float* block = x + b * kRowBlock;
    float lanes[kLanes];
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = block[j];
    for (size_t i = kLanes; i < kRowBlock; i += kLanes)
      for (size_t j = 0; j < kLanes; ++j) lanes[j] = block[i + j] > lanes[j] ? block[i + j] : lanes[j];
    float best = lanes[0];
    for (float lane : lanes) best = lane > best ? lane : best;
    out[b] = best;
  }
}

}  // namespace

RowSummary summarize_row(const float* logits, size_t n) {
  RowSummary out;
  if (n == 0) return out;
  out.max = max_of(logits, n);
  const float* first = std::find(logits, logits + n, out.max);
  out.argmax = first == logits + n ? 0 : static_cast<int32_t>(first - logits);
  double sum = 0;
  for (size_t at = 0; at < n; at += kBlock) sum += sum_exp(logits + at, std::min(kBlock, n - at), out.max, 1);
  out.log_sum_exp = out.max + std::log(sum);
  return out;
}

void summarize_rows(const std::vector<const float*>& rows, size_t n, [[maybe_unused]] int n_threads, RowSummary* out) {
  const int64_t n_rows = static_cast<int64_t>(rows.size());
#ifdef _OPENMP
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 4) if (n_rows > 4)
#endif
  for (int64_t i = 0; i < n_rows; ++i) out[i] = summarize_row(rows[static_cast<size_t>(i)], n);
}

int32_t argmax_row(const float* logits, size_t n) {
  const float max = max_of(logits, n);
  const float* first = std::find(logits, logits + n, max);
  return first == logits + n ? 0 : static_cast<int32_t>(first - logits);
}

void block_maxima(const float* logits, size_t n, float* out) {
  const size_t whole = n / kRowBlock;
  maxima_of_blocks(logits, whole, out);
  if (whole * kRowBlock < n) out[whole] = max_of(logits + whole * kRowBlock, n - whole * kRowBlock);
}

double block_mass(const float* logits, size_t n, float max, float inverse_t) { return sum_exp(logits, n, max, inverse_t); }

}  // namespace qeval
