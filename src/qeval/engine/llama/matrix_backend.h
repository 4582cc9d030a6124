#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace qeval {

// Matrix products of many rows, SwiGLU of two of them, and attention, for llama.cpp. ggml's own kernel for BF16 and F32 weights reaches six tenths of
// what a CPU can do where rows are short (hundreds of columns); oneDNN packs the weights and reaches nine. With AMX the products are our own
// (tile_product), as oneDNN 2.6 cuts long sums by the number of rows. Quantised weights are expanded to BF16 a few at a time and multiplied as such,
// which is faster than ggml's products of eight-bit activations where there are many rows, and nearer to what the weights say: BF16 rounds
// activations to 1 in 512, ggml those of a block to 1 in 254 of its largest.
// A ggml back end of type ACCEL: llama.cpp gives it the nodes that it says it can do and keeps all else. Of products with BF16 and F32 weights
// only the order of the sums differs from ggml's: sums are F32, and activations beside BF16 weights are rounded to BF16 alike.

// Registers it with ggml, once a process, before the first context is made. Does nothing in a program built without oneDNN for a CPU
// without fast vectors, and where there is a GPU.
void register_matrix_backend();
// Whether it computes attention, where it can (attention.h). llama.cpp's own choice whether to fuse attention ("auto") then has to be made
// for it: it would see another device than the layer's, and not fuse.
bool matrix_backend_attends();
// Whether it multiplies quantised weights, where they lie as in the file: llama.cpp's repacked ones are ggml's alone.
bool matrix_backend_expands();
// Whose kernels its products are: "AMX", "oneDNN 2.6.3"; "" where it computes none.
std::string matrix_backend_kernels();
// Products computed in this process, pairs of them of which only their SwiGLU was written, and micro-batches whose logits were not copied.
int64_t matrix_backend_products();
int64_t matrix_backend_gated();
int64_t matrix_backend_in_place();

// While one that is `on` lives, the calling thread's calls of llama.cpp hand over every product and attention that can be, however few rows it
// has. Then what is computed for a token has the same bits however many are decoded beside it.
class AnyRows {
 public:
  explicit AnyRows(bool on);
  ~AnyRows();
  AnyRows(const AnyRows&) = delete;
  AnyRows& operator=(const AnyRows&) = delete;

 private:
  const bool before_;
};

// While one that is `on` lives, what the calling thread's llama_decode reads of logits that the back end computed stays where it was computed:
// llama.cpp's copy, a hundred megabytes by one thread, is left out, and its own buffer (llama_get_logits) holds nothing. For micro-batches in the
// order of the batch, one a decode.
class LogitsInPlace {
 public:
  explicit LogitsInPlace(bool on);
  ~LogitsInPlace();
  LogitsInPlace(const LogitsInPlace&) = delete;
  LogitsInPlace& operator=(const LogitsInPlace&) = delete;
  // Of the decode since, row by row, until the context computes again; empty where llama.cpp has copied them.
  std::span<const float> logits() const { return logits_; }
  // What llama.cpp reads. Throws std::runtime_error at the second time.
  void take(std::span<const float> logits);

 private:
  LogitsInPlace* const before_;
  std::span<const float> logits_;
};

}  // namespace qeval
