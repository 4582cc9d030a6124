#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qeval {

struct RowSummary {
  float max = 0;
  int32_t argmax = 0;          // the first, where several are equal
  double log_sum_exp = 0;      // log Σ exp(logit): logprob of token i = logits[i] − log_sum_exp
};

// One pass for the maximum, one for the sum; exp in float (relative error < 2e-7), sums in double per block.
RowSummary summarize_row(const float* logits, size_t n);
// Many rows on up to n_threads threads: the calling thread's OpenMP team, which llama.cpp computes with too.
void summarize_rows(const std::vector<const float*>& rows, size_t n, int n_threads, RowSummary* out);
int32_t argmax_row(const float* logits, size_t n);

inline constexpr size_t kRowBlock = 64;
// The greatest of each kRowBlock logits, the last block may be shorter; `out` holds ceil(n / kRowBlock).
void block_maxima(const float* logits, size_t n, float* out);
// sum exp((logit - max) * inverse_t), in float (relative error < 2e-7; below e^-87 a term counts as that).
double block_mass(const float* logits, size_t n, float max, float inverse_t);

}  // namespace qeval
