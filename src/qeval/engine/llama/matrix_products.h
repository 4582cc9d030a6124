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

// oneDNN's compiled products, the last used kept by shape. Thread-safe.
class MatrixProducts {
 public:
  struct Product;
  static MatrixProducts& shared();
  // Compiled where it is not kept (a quarter of a millisecond); null where oneDNN has no fast kernel for it on this CPU.
  std::shared_ptr<const Product> find(const ProductShape& shape);
  // Waits for the result. Throws std::exception where oneDNN fails.
  void run(const Product& product, void* a, void* b, void* c, int n_threads);
  // Whether the number of rows decides in which order an element's sum runs: oneDNN 2.6 with AMX cuts long BF16 sums into pieces by it.
  // (Tried: 1 to 512 rows, 32 to 16,384 columns, sums of 32 to 3,072.)
  static bool order_depends_on_rows(const ProductShape& shape);
  // From how many rows on it is the same where it does not: with AMX, oneDNN uses other instructions for the smallest products.
  static int64_t least_rows_alike(const ProductShape& shape);
  int64_t n_run() const { return n_run_.load(std::memory_order_relaxed); }
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
