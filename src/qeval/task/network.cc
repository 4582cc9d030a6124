#include "qeval/task/dataset.h"

namespace qeval {

HttpGet network_get(const TaskSources&) { return nullptr; }

}  // namespace qeval
