#pragma once

#include "qeval/monitor/monitor.h"
#include "qeval/util/json.h"

namespace qeval {

// What goes into a run's record beside memory and utilisation: power, energy (and per 1,000 tokens where `n_tokens` > 0),
// temperature, clocks, throttling, foreign processes. Object; empty without a device.
Json usage_json(const MonitorSummary& summary, int64_t n_tokens);

// Of a series ({"columns", "rows"}, first column t_s) the rows from `from_s` to `to_s`: {"column": {"mean", "peak"}} for
// each other column with values. null where no row lies there. Columns of counters: their increase.
Json series_window(const Json& series, double from_s, double to_s);

}  // namespace qeval
