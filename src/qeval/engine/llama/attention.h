#pragma once

#include <cstdint>
#include <memory>
#include <vector>

struct ggml_tensor;

namespace qeval {

struct AttentionWorkspace;

// softmax(scale · Q Kᵀ + mask) V for llama.cpp (GGML_OP_FLASH_ATTN_EXT). Heads that share K and V are taken together, cells that no row of
// a block may see are left out, and all is F32; ggml rounds Q to F16, or adds up in it.
// An object serves one thread at a time and keeps what its team works in, up to 5 MB a thread.
class Attention {
 public:
  Attention();
  ~Attention();
  // Whether `node` is such a node, worth a change of back ends, on a CPU that has fast products. K and V may be F16 or F32; where llama.cpp
  // casts an F32 cache to F16 first, the cache itself is read.
  // With `any_rows` here and below nodes of any size are taken, and a row's result has the same bits whatever else the node holds, as
  // long as the row's own cells keep their order.
  static bool can_compute(const ggml_tensor* node, bool any_rows = false);
  // Throws std::bad_alloc.
  void compute(const ggml_tensor* node, int n_threads, bool any_rows = false);
  // In this process.
  static int64_t n_computed();

 private:
  std::vector<std::unique_ptr<AttentionWorkspace>> team_;
};

}  // namespace qeval
