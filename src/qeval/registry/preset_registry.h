#pragma once

#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// presets/*.yaml, shipped; `user_folder` overrides by name ("" = none). Sorted: performance, balanced,
// memory_optimized, then others by name.
Result<std::vector<Preset>> load_presets(const std::string& user_folder);
Result<Preset> parse_preset(const std::string& text, const std::string& file);
Result<Preset> find_preset(const std::vector<Preset>& presets, const std::string& name);

// What an engine cannot honour in this preset, one line each: "V2 block manager: accepted, no longer exists in vLLM".
std::vector<std::string> preset_notes(const Preset& preset, const std::string& engine);

}  // namespace qeval
