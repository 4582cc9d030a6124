#include "qeval/core/llama_sizes.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace qeval {
namespace {

constexpr int64_t kLogitBytes = int64_t{160} << 20;
constexpr int kRowStep = 32;
constexpr int kMostRows = 4096;
constexpr int kCpuTokens = 512, kDeviceTokens = 2048;
constexpr int kForkedMicroBatches = 32;
constexpr int kLeastStates = 4;

}  // namespace

int padded_cells(int n) { return (std::max(n, 1) + kCellStep - 1) / kCellStep * kCellStep; }

int stream_cells(int longest, int max_len) {
  const int needed = std::max(longest, 1);
  const int step = std::max(kCellStep, static_cast<int>(std::bit_floor(static_cast<unsigned>(needed))) / 4);
  const int rounded = (needed + step - 1) / step * step;
  return max_len >= rounded ? rounded : std::min(rounded, padded_cells(std::max(needed, max_len)));
}

int most_logit_rows(int vocab) {
  return static_cast<int>(std::clamp<int64_t>(kLogitBytes / (int64_t{4} * std::max(vocab, 1)), kRowStep, kMostRows));
}

int micro_batch_tokens(int vocab, bool on_cpu) {
  return on_cpu ? std::min(kCpuTokens, most_logit_rows(vocab) / kRowStep * kRowStep) : kDeviceTokens;
}

int scored_rows(int vocab, int micro_batch) { return std::min(most_logit_rows(vocab), std::max(kRowStep, micro_batch)); }

int scoring_cells(int longest, int micro_batch, bool whole_forks) {
  return padded_cells(longest + (whole_forks ? kForkedMicroBatches : 1) * micro_batch);
}

int scoring_states(double room_bytes, double state_bytes) {
  if (state_bytes <= 0) return kMostLlamaSequences;
  return static_cast<int>(std::clamp(room_bytes / 4 / state_bytes, double{kLeastStates}, double{kMostLlamaSequences}));
}

}  // namespace qeval
