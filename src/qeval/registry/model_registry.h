#pragma once

#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/util/result.h"

namespace qeval {

// Rows of models/*.yaml: the shipped ones, then those of `user_folder` (same id: the user's row wins). "" = none.
// Errors: file, line, key and what was expected; two rows with one id in one place.
Result<std::vector<ModelSpec>> load_models(const std::string& user_folder);

// One file's rows. `text` is YAML: a list under `models`, or `defaults` merged into each.
Result<std::vector<ModelSpec>> parse_models(const std::string& text, const std::string& file);

// By id, then by HF id, ignoring case. Error (bad_input): near matches.
Result<ModelSpec> find_model(const std::vector<ModelSpec>& models, const std::string& name);

// Parameters in billions by the row's shape: embeddings, attention or linear layers, feed-forward or experts (the value
// heads of linear layers follow from the row's state). 0 where the shape is not known.
double params_from_shape(const ModelSpec& model);
// KV cache bytes per token at `bytes` per element: 2·layers·kv heads·head dim.
double kv_bytes_per_token(const ModelSpec& model, double bytes = 2);

// One row as YAML, for `qeval models add`.
std::string model_yaml(const ModelSpec& model);

}  // namespace qeval
