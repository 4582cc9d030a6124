#pragma once

#include <cstdint>
#include <string>

namespace qeval {

// llama.cpp logs through one process-wide hook. Installed on first use, it keeps the last lines in memory and prints
// nothing. Thread-safe; lines of engines that load at the same time mix.
class LlamaLog {
 public:
  static void install();          // also starts llama's back ends; idempotent
  static uint64_t mark();         // a place in the stream
  // Warnings and errors since `mark`, at most `n` lines, oldest first, joined by newlines.
  static std::string complaints_since(uint64_t mark, size_t n = 6);
};

}  // namespace qeval
