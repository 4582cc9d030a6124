#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qeval {

// CPython's random.Random seeded with an integer, bit for bit (MT19937, init_by_array): lm-eval's few-shot choice
// and our generators hang on it. Source of the algorithms: CPython Lib/random.py and Modules/_randommodule.c.
class PyRandom {
 public:
  explicit PyRandom(uint64_t seed);
  uint32_t next_u32();
  uint64_t getrandbits(int k);              // 1 <= k <= 64
  double random();                          // [0, 1), 53 bits
  uint64_t randbelow(uint64_t n);           // n >= 1
  int64_t randint(int64_t a, int64_t b);    // both ends included
  // Indices that random.sample(range(n), k) would give; k <= n.
  std::vector<size_t> sample(size_t n, size_t k);
  template <typename T>
  const T& choice(const std::vector<T>& items) { return items[randbelow(items.size())]; }
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i-- > 1;) std::swap(items[i], items[randbelow(i + 1)]);
  }

 private:
  void init(uint32_t s);
  std::array<uint32_t, 624> state_{};
  size_t index_ = 624;
};

}  // namespace qeval
