#pragma once

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

// oneDNN's compiled products, the last used kept by shape. The sums of an element run in one order for any number of rows, but with AMX not those of
// BF16: oneDNN 2.6 cuts them into pieces by it where they are long. (Tried: 1 to 512 rows, 32 to 16,384 columns, sums of 32 to 3,072.)
// Thread-safe.
class MatrixProducts {
 public:
  struct Product;
  static MatrixProducts& shared();
  // Compiled where it is not kept (a quarter of a millisecond); null where oneDNN has no fast kernel for it on this CPU.
  std::shared_ptr<const Product> find(const ProductShape& shape);
  // Waits for the result. Throws std::exception where oneDNN fails.
  void run(const Product& product, void* a, void* b, void* c, int n_threads);
  // "oneDNN 2.6.3"; "" in a program built without it, where no product is ever found.
  static std::string version();

 private:
  MatrixProducts() = default;
  std::mutex mutex_;
  struct Kept {
    std::shared_ptr<const Product> product;
    uint64_t used = 0;
  };
  std::map<ProductShape, Kept> products_;
  uint64_t n_asked_ = 0;
};

}  // namespace qeval
