#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "qeval/util/random.h"

namespace qeval {

inline uint16_t cut_to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

inline std::vector<uint16_t> cut_to_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> out;
  for (float value : values) out.push_back(cut_to_bf16(value));
  return out;
}

// Whole eighths up to 2: exact in BF16, and their sums exact in F32, so results are compared bit for bit.
inline std::vector<float> eighths(PyRandom& random, int64_t n) {
  std::vector<float> out(static_cast<size_t>(n));
  for (float& value : out) value = static_cast<float>(static_cast<int>(random.random() * 33) - 16) / 8;
  return out;
}

// Between -0.5 and 0.5: sums that no type holds exactly, so that another order shows.
inline std::vector<float> draw(PyRandom& random, int64_t n) {
  std::vector<float> out(static_cast<size_t>(n));
  for (float& value : out) value = static_cast<float>(random.random() - 0.5);
  return out;
}

}  // namespace qeval
