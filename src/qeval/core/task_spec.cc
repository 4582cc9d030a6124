#include "qeval/core/task_spec.h"

namespace qeval {

const char* to_string(OutputType type) {
  switch (type) {
    case OutputType::multiple_choice: return "multiple_choice";
    case OutputType::loglikelihood: return "loglikelihood";
    case OutputType::loglikelihood_rolling: return "loglikelihood_rolling";
    case OutputType::generate_until: return "generate_until";
  }
  return "unknown";
}

}  // namespace qeval
