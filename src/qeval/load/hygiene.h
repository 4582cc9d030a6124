#pragma once

#include <optional>

#include "qeval/load/level.h"
#include "qeval/load/server_counters.h"

namespace qeval {

// The machine around a level. Share of all cores that was busy while nothing was asked yet; mean CPU clock.
struct HostReading {
  double busy = -1, clock_mhz = -1;  // -1 = unknown
};
// Watches for `seconds` while the caller does nothing.
HostReading read_host(double seconds);

struct HygieneInput {
  HostReading before, after;                 // after: clock only
  std::optional<ServerCounters> counters_before, counters_after;
  bool shares_prefixes = false;              // prompts were made to share: hits are wanted
  bool in_process = false;                   // the engine works in this process: its CPU is not the client's
};
// Fills hygiene and dirt of a finished level: warm-up, prefix-cache hits, clock changes, foreign load, preemptions, the
// client's own CPU and lag, tokens against the server's own counters.
void judge_hygiene(LevelResult& result, const HygieneInput& input);

}  // namespace qeval
