#include "qeval/engine/llama/log_softmax.h"

#include <algorithm>
#include <cmath>

#include "qeval/engine/llama/vector_math.h"

namespace qeval {
namespace {

constexpr size_t kLanes = kFloats;
constexpr size_t kBlock = 4096;  // floats summed in float lanes before they move to double

QEVAL_VECTOR_CLONES float max_of(const float* x, size_t n) {
  Floats lanes = Floats{} - INFINITY;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) keep_greater(lanes, floats_at(x + i));
  float best = greatest(lanes);
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
    Floats lanes = floats_at(block);
    for (size_t i = kLanes; i < kRowBlock; i += kLanes) keep_greater(lanes, floats_at(block + i));
    out[b] = greatest(lanes);
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
