#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/monitor/server_metrics.h"

// Whatever a server calls its metrics: no crash, and no number that is none.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qeval::ServerReading r = qeval::parse_server_metrics({reinterpret_cast<const char*>(data), size});
  for (const auto& value : {r.running, r.waiting, r.generation_tokens})
    if (value && std::isnan(*value)) std::abort();
  (void)qeval::joined(r, r);
  return 0;
}
