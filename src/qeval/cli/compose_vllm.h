#pragma once

#include "qeval/cli/compose.h"

namespace qeval {

// A vLLM found, a model resolved (registry id, HF id, or a folder in Hugging Face layout), the command line built and checked
// against what fits; nothing started. EnginePlan::load starts the server and connects to it.
Result<EnginePlan> plan_vllm(const EngineRequest& request, Preset preset);

}  // namespace qeval
