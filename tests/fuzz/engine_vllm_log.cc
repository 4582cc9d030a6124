#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/engine/vllm/flag_table.h"
#include "qeval/engine/vllm/start_log.h"

// Whatever a server prints: no crash, bounded memory, and pieces make no difference.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  qeval::StartLog whole, pieces;
  whole.feed(text);
  for (size_t i = 0; i < size; i += 3) pieces.feed(text.substr(i, 3));
  if (whole.tail(1000) != pieces.tail(1000) || whole.failure() != pieces.failure() || whole.progress() != pieces.progress()) std::abort();
  (void)qeval::parse_help(std::string(text));
  (void)qeval::parse_vllm_version(std::string(text));
  return 0;
}
