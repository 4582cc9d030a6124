#pragma once

#include <string>

#include "qeval/report/run_view.h"

namespace qeval {

struct ResultsTableOptions { bool colours = false; };
// What a run printed for people: a line per metric and filter, flags with their causes, classes, performance.
std::string results_table(const RunView& view, const ResultsTableOptions& options);
Json results_json(const RunView& view);

}  // namespace qeval
