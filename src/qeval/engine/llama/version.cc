#include "qeval/engine/llama/llama_engine.h"

#include <llama.h>

namespace qeval {

std::string llama_engine_version() { return llama_version(); }

}  // namespace qeval
