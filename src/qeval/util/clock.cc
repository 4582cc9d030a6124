#include "qeval/util/clock.h"

#include <fmt/chrono.h>

namespace qeval {

int64_t utc_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}
std::string utc_iso(int64_t utc_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(utc_ms / 1000)));
}

}  // namespace qeval
