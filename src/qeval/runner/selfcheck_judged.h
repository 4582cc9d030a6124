#pragma once

#include <string>
#include <vector>

#include "qeval/runner/selfcheck.h"
#include "qeval/scorer/scorer.h"

namespace qeval {

// Proves a task whose answers a judge rates, without a judge: every turn is asked and sees the answers before it; the
// judge is asked with question, answer and reference; a planted [[10]] becomes 10 of 10; a judge that says nothing gives
// no rating; empty answers are classed. Items lack task and data, which the caller knows.
Result<std::vector<SelfcheckItem>> check_judged_task(const Task& task, const Scorer& scorer, std::vector<Sample> samples);

}  // namespace qeval
