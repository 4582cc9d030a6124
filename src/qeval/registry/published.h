#pragma once

#include <string>
#include <vector>

#include "qeval/core/task_summary.h"
#include "qeval/util/result.h"

namespace qeval {

// reference/published.yaml: scores that others published, with the settings that make them comparable.
Result<std::vector<PublishedScore>> load_published();
Result<std::vector<PublishedScore>> parse_published(const std::string& text, const std::string& file);

}  // namespace qeval
