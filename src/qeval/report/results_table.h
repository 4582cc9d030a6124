#pragma once

#include <string>

#include "qeval/report/run_view.h"

namespace qeval {

struct ResultsTableOptions {
  bool colours = false;  // ANSI; off where stdout is no terminal
  bool unicode = true;   // box drawing; false: ASCII
};

// What a run printed for people: a line per metric and filter ("*": the score that other reports show), below it what
// makes a score doubtful with its likely cause, what was not scored and the bounds that follow, the published score
// under matching settings, what became of the answers, and the cost.
std::string results_table(const RunView& view, const ResultsTableOptions& options);
Json results_json(const RunView& view);

}  // namespace qeval
