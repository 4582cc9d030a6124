#pragma once

#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// C++ counterparts of the Python functions that lm-eval's YAML names with `!function`, under the same names:
// "hellaswag/utils.process_docs". Their behaviour is lm-eval 0.4.13's.

// Raised when a hook's result can change; part of a task's identity.
inline constexpr int kHooksVersion = 1;

bool is_known_hook(const std::string& name);
// "hellaswag/utils" for the SHA-256 of a Python file that holds these functions, "" for any other.
std::string known_python_module(const std::string& sha256);

// process_docs. `note` gets a sentence where the data made the hook do something other than process
// (it was processed already). Errors name the document's index and the field.
Result<std::vector<Json>> run_docs_hook(const std::string& name, std::vector<Json> docs, std::string& note);
bool is_docs_hook(const std::string& name);

// doc_to_text, doc_to_target, doc_to_choice.
Result<Json> run_value_hook(const std::string& name, const Json& doc);
bool is_value_hook(const std::string& name);

// fewshot_config.samples: a list of documents.
Result<Json> run_samples_hook(const std::string& name);
bool is_samples_hook(const std::string& name);

// Hooks that the scorer implements (metrics, filters, process_results): the bare function name, "" for others.
std::string scoring_hook(const std::string& name);

}  // namespace qeval
