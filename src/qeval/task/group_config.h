#pragma once

#include <string>

#include "qeval/core/group_spec.h"
#include "qeval/task/config.h"

namespace qeval {

// What a group's YAML says of itself; members and tasks are the registry's to fill. `config` is the group's own mapping,
// which for a group written inside another one is only a part of `file`. Error: "file:line: key: reason".
Result<GroupSpec> parse_group_config(const MergedConfig& file, const std::string& name, const Json& config);

}  // namespace qeval
