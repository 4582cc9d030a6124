#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace qeval {

int64_t utc_now_ms();                          // since the epoch
std::string utc_iso(int64_t utc_ms);           // 2026-11-24T23:41:28Z
using SteadyClock = std::chrono::steady_clock;
inline double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

}  // namespace qeval
