#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// Weights that lie on this machine.
struct ResolvedModel {
  std::string gguf_path;          // first part
  std::string source;             // path, or hf:ORG/REPO:FILE
  std::string hf_id, revision;    // hf_id of the model (not of its GGUF repository) where known
  std::optional<ModelSpec> spec;  // the registry's row
};

using ModelProgress = std::function<bool(const std::string& file, int64_t done, int64_t total)>;  // false: stop

// --model: a registry id or HF id, a GGUF path, or hf:ORG/REPO[:QUANT|FILE]. Downloads what is not in the hub's cache.
// Errors: bad_input (unknown id with near matches, no such file, no GGUF in the repository), unavailable (hub).
Result<ResolvedModel> resolve_model(const std::string& asked, const std::vector<ModelSpec>& models,
                                    const ModelProgress& progress);

// The registry's row for a GGUF that calls itself `general_name`, by comparing normalised names.
std::optional<ModelSpec> model_by_gguf_name(const std::vector<ModelSpec>& models, const std::string& general_name);

// The registry's row that lists this SHA-256 of a GGUF: certain, where a name in the file is not.
std::optional<ModelSpec> model_by_sha256(const std::vector<ModelSpec>& models, const std::string& sha256);

}  // namespace qeval
