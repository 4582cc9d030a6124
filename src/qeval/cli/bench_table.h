#pragma once

#include <string>
#include <vector>

#include "qeval/load/level.h"

namespace qeval {

enum class BenchFormat { terminal, markdown };
// Levels as a table, then a line on the client and one on hygiene for each level; figures that may be off carry a mark.
std::string bench_table(const std::vector<LevelResult>& levels, BenchFormat format);

}  // namespace qeval
