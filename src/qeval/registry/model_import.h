#pragma once

#include <string>

#include "qeval/core/model_spec.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// What lies beside a model's weights. Absent parts are null or "".
struct ModelFiles {
  std::string hf_id;       // ORG/REPO, or a folder's name
  Json config;             // config.json
  Json generation_config;  // generation_config.json
  std::string readme;      // README.md: its front matter names the licence
};

// A registry row from a model's own files. Architectures: Qwen2, Qwen3, Qwen3Moe, Qwen3Next, Qwen3_5, Qwen3_5Moe (their
// text part where they see), Llama. Parameters, KV layers and recurrent state are computed from the shape; what the
// files do not say (thinking, tool format) follows the family's rules. Errors (bad_input) name the key.
Result<ModelSpec> model_from_files(const ModelFiles& files);

// `source`: hf:ORG/REPO, a folder with config.json, or the path of a config.json.
Result<ModelSpec> import_model(const std::string& source);

}  // namespace qeval
