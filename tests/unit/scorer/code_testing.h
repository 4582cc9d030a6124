#pragma once

#include <string>

#include "scorer_testing.h"

namespace qeval {

// humaneval, humaneval_instruct, mbpp, mbpp_instruct as their YAML sets them up.
inline TaskSpec code_task(const std::string& name) {
  TaskSpec spec;
  spec.name = name;
  spec.file = "tasks/" + name + ".yaml";
  spec.scoring.output_type = OutputType::generate_until;
  spec.scoring.scorer = "python_tests";
  bool mbpp = name.find("mbpp") != std::string::npos, instruct = name.find("instruct") != std::string::npos;
  spec.scoring.scorer_options = {{"prepend_prompt", !mbpp},
                                 {"extract", !instruct ? "raw"
                                             : mbpp    ? "first_fence"
                                                       : "fence_cut"},
                                 {"timeout_s", 3.0}};
  spec.scoring.metrics = {{mbpp ? "pass_at_1" : "pass@1", "mean", true, {}}};
  return spec;
}

}  // namespace qeval
