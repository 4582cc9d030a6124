#pragma once

#include <string>

#include "qeval/engine/fake.h"

namespace qeval {

// A scripted engine from a JSON file: {"latency_ms": 1, "default": "text", "answers": [{"contains": "…", "text": "…"}],
// "faults": {"3": "connection"}, "declared_weights": true}. Log-likelihoods are a fixed function of context and continuation, so that runs repeat.
// An empty path gives the defaults: empty answers.
Result<FakeOptions> load_fake_script(const std::string& path);

}  // namespace qeval
