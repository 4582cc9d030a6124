#pragma once

namespace qeval {

// Matrix products of many rows and attention, for llama.cpp, by oneDNN. ggml's own kernel for BF16 and F32 weights reaches six tenths of
// what a CPU can do where rows are short (hundreds of columns); oneDNN packs the weights and reaches nine.
// A ggml back end of type ACCEL: llama.cpp gives it the nodes that it says it can do and keeps all else. Of products only the order
// of the sums differs from ggml's: sums are F32, and activations beside BF16 weights are rounded to BF16 alike.

// Registers it with ggml, once a process, before the first context is made. Does nothing in a program built
// without oneDNN, and where there is a GPU.
void register_matrix_backend();
// Whether it computes attention, where it can (attention.h). llama.cpp's own choice whether to fuse attention ("auto") then has to be made
// for it: it would see another device than the layer's, and not fuse.
bool matrix_backend_attends();

}  // namespace qeval
