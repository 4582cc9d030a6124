// Any text of a judge is read as a rating and a verdict, or not, without a fault.
#include <cstdint>
#include <cstdlib>

#include "qeval/scorer/judged.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto rating = qeval::parse_rating(text);
  if (rating && !(*rating >= 0)) std::abort();
  qeval::parse_preference(text);
  return 0;
}
