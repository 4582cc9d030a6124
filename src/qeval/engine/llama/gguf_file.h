#pragma once

// Private to engine/llama: includes gguf.h.

#include <memory>
#include <string>

#include "gguf.h"
#include "qeval/util/result.h"

namespace qeval {

using Gguf = std::unique_ptr<gguf_context, decltype(&gguf_free)>;

// Metadata and tensor list of one file; no weights. Error (bad_input): the path and llama.cpp's complaint.
Result<Gguf> open_gguf(const std::string& path);
// "" where the key is absent or no string.
std::string gguf_text(const gguf_context* file, const std::string& key);

}  // namespace qeval
