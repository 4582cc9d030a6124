#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/util/json.h"

// parse_json builds values itself; it must accept, refuse and build exactly what the library's own parser does, except that
// a NUL byte, where the library stops reading, is no JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto value = qeval::parse_json(text);
  if (!value && value.error().message.find("nested deeper") != std::string::npos) return 0;
  if (text.find('\0') != std::string_view::npos) {
    if (value) std::abort();
    return 0;
  }
  qeval::Json expected = qeval::Json::parse(text, nullptr, false);
  if (value.has_value() == expected.is_discarded()) std::abort();
  if (value && qeval::dump_json(*value) != qeval::dump_json(expected)) std::abort();
  return 0;
}
