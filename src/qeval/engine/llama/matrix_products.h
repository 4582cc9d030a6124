#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace qeval {

// C[m, n] = A[m, k] * B[n, k]^T with F32 sums and an F32 result without gaps; strides of rows in elements.
struct ProductShape {
  bool bf16 = false;  // A and B; else F32
  int64_t m = 0, n = 0, k = 0;
  int64_t a_stride = 0, b_stride = 0;
  auto operator<=>(const ProductShape&) const = default;
};

// C[m, n] = scale * A[m, k] * B[k, n] + keep * C, F32 and without gaps; transposed, B is [n, k].
struct SmallProduct {
  int64_t m = 0, n = 0, k = 0;
  float scale = 1;
  bool b_is_transposed = false;
  float keep = 0;
};

// oneDNN's compiled products, the last used kept by shape. Thread-safe.
class MatrixProducts {
 public:
  struct Product;
  static MatrixProducts& shared();
  // Compiled where it is not kept (a quarter of a millisecond); null where oneDNN has no fast kernel for it on this CPU.
  std::shared_ptr<const Product> find(const ProductShape& shape);
  // Waits for the result. Throws std::exception where oneDNN fails.
  void run(const Product& product, void* a, void* b, void* c, int n_threads);
  int64_t n_run() const { return n_run_.load(std::memory_order_relaxed); }
  // On the calling thread alone where it belongs to a parallel region or has a TeamSize of one. For any shape, as nothing is compiled
  // for it; half as fast as the CPU from three rows on, nine tenths from a hundred. False where oneDNN fails.
  static bool multiply(const SmallProduct& product, const float* a, const float* b, float* c);
  // Whether this CPU has the instructions that make the former worth while.
  bool fast_in_f32();
  // "oneDNN 2.6.3"; "" in a program built without it, where no product is ever found.
  static std::string version();

 private:
  MatrixProducts() = default;
  std::atomic<int64_t> n_run_ = 0;
  std::mutex mutex_;
  struct Kept {
    std::shared_ptr<const Product> product;
    uint64_t used = 0;
  };
  std::map<ProductShape, Kept> products_;
  uint64_t n_asked_ = 0;
};

}  // namespace qeval
