#include "qeval/util/random.h"

#include <cmath>
#include <unordered_set>

namespace qeval {

void PyRandom::init(uint32_t s) {
  state_[0] = s;
  for (uint32_t i = 1; i < 624; ++i) state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  index_ = 624;
}

PyRandom::PyRandom(uint64_t seed) {
  std::vector<uint32_t> key{static_cast<uint32_t>(seed)};
  if (seed >> 32) key.push_back(static_cast<uint32_t>(seed >> 32));
  init(19650218U);
  size_t i = 1, j = 0;
  for (size_t k = 624; k; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525U)) + key[j] + static_cast<uint32_t>(j);
    if (++i >= 624) { state_[0] = state_[623]; i = 1; }
    if (++j >= key.size()) j = 0;
  }
  for (size_t k = 623; k; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941U)) - static_cast<uint32_t>(i);
    if (++i >= 624) { state_[0] = state_[623]; i = 1; }
  }
  state_[0] = 0x80000000U;
}

uint32_t PyRandom::next_u32() {
  if (index_ >= 624) {
    for (size_t k = 0; k < 624; ++k) {
      uint32_t y = (state_[k] & 0x80000000U) | (state_[(k + 1) % 624] & 0x7fffffffU);
      state_[k] = state_[(k + 397) % 624] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfU : 0);
    }
    index_ = 0;
  }
  uint32_t y = state_[index_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

uint64_t PyRandom::getrandbits(int k) {
  if (k <= 32) return next_u32() >> (32 - k);
  uint64_t low = next_u32();
  return low | (static_cast<uint64_t>(next_u32() >> (64 - k)) << 32);
}

double PyRandom::random() {
  uint32_t a = next_u32() >> 5, b = next_u32() >> 6;
  return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

uint64_t PyRandom::randbelow(uint64_t n) {
  int k = 64 - __builtin_clzll(n);
  uint64_t r = getrandbits(k);
  while (r >= n) r = getrandbits(k);
  return r;
}

int64_t PyRandom::randint(int64_t a, int64_t b) { return a + static_cast<int64_t>(randbelow(static_cast<uint64_t>(b - a) + 1)); }

std::vector<size_t> PyRandom::sample(size_t n, size_t k) {
  std::vector<size_t> result(k);
  size_t set_size = 21;
  if (k > 5) set_size += static_cast<size_t>(std::pow(4, std::ceil(std::log(k * 3.0) / std::log(4.0))));
  if (n <= set_size) {
    std::vector<size_t> pool(n);
    for (size_t i = 0; i < n; ++i) pool[i] = i;
    for (size_t i = 0; i < k; ++i) {
      size_t j = randbelow(n - i);
      result[i] = pool[j];
      pool[j] = pool[n - i - 1];
    }
  } else {
    std::unordered_set<size_t> selected;
    for (size_t i = 0; i < k; ++i) {
      size_t j = randbelow(n);
      while (!selected.insert(j).second) j = randbelow(n);
      result[i] = j;
    }
  }
  return result;
}

}  // namespace qeval
