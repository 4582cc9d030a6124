#include "qeval/engine/llama/gguf_file.h"

#include <exception>

#include "qeval/engine/llama/llama_log.h"

namespace qeval {

Result<Gguf> open_gguf(const std::string& path) {
  LlamaLog::install();
  const uint64_t mark = LlamaLog::mark();
  Gguf file(nullptr, gguf_free);
  try {
    file.reset(gguf_init_from_file(path.c_str(), {/*no_alloc=*/true, /*ctx=*/nullptr}));
  } catch (const std::exception& e) {
    return bad_input(path + ": " + e.what());
  }
  if (!file) return bad_input(path + ": not a readable GGUF file\n" + LlamaLog::complaints_since(mark));
  return file;
}

std::string gguf_text(const gguf_context* file, const std::string& key) {
  const int64_t id = gguf_find_key(file, key.c_str());
  if (id < 0 || gguf_get_kv_type(file, id) != GGUF_TYPE_STRING) return "";
  return gguf_get_val_str(file, id);
}

}  // namespace qeval
