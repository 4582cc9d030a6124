#pragma once

#include <string>

namespace qeval {

// Matrix products of many rows, for llama.cpp, by oneDNN. ggml's own kernel for BF16 and F32 weights reaches six tenths of
// what a CPU can do where rows are short (hundreds of columns); oneDNN packs the weights and reaches nine.
// A ggml back end of type ACCEL: llama.cpp gives it the products that it says it can do and keeps all else. Only the order
// of the sums differs from ggml's: sums are F32, and activations beside BF16 weights are rounded to BF16 alike.

// Registers it with ggml, once a process, before the first context is made. Does nothing in a program built
// without oneDNN, and where there is a GPU.
void register_matrix_backend();
// Whether attention of a model of this architecture (general.architecture) is computed in F32 throughout when llama.cpp is told to
// fuse it, whatever the batch. llama.cpp's own choice ("auto") would see another device and not fuse.
bool attention_is_in_f32(const std::string& architecture);

}  // namespace qeval
