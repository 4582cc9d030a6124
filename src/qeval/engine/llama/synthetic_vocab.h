#pragma once

// Private to engine/llama: includes gguf.h.

#include <string>

#include "gguf.h"
#include "qeval/util/result.h"

namespace qeval {

// Writes tokenizer.* keys into `model`: copied from the file at `vocab_gguf`, or a byte-level one of our own where it is
// empty. At least `n_rows` tokens, the rest filled with unused ones. The number of tokens comes back.
Result<int> write_tokenizer(gguf_context* model, const std::string& vocab_gguf, int n_rows);

}  // namespace qeval
