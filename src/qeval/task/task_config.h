#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/agent/episode.h"
#include "qeval/core/request.h"
#include "qeval/core/task_spec.h"
#include "qeval/task/config.h"
#include "qeval/task/conversation.h"
#include "qeval/task/doc_chat.h"
#include "qeval/task/task.h"

namespace qeval {

// Few-shot examples; fields that are null inherit the task's.
struct FewshotConfig {
  std::string sampler = "default";          // default (random), first_n
  std::optional<std::string> split;
  Json samples;                             // fixed documents, or null
  std::string samples_hook;
  std::string process_docs;                 // hook, "" = none
  std::vector<size_t> indices;              // subset of the pool; empty = all
  Json doc_to_text, doc_to_target, doc_to_choice, gen_prefix;
  std::string target_delimiter, fewshot_delimiter;
};

// How the answers are generated, from generation_kwargs.
struct Generation {
  Sampling sampling;
  int max_new_tokens = 256;
  std::vector<std::string> until;
};

// One task's YAML as typed values. Every key has been checked: what is here can be honoured.
struct TaskConfig {
  std::shared_ptr<const MergedConfig> merged;
  TaskSpec spec;                            // without what overrides and data decide
  std::string dataset_path, dataset_name;
  Json dataset_kwargs;                      // object
  std::optional<std::string> training_split, validation_split, test_split;
  std::string process_docs;                 // hook, "" = none
  Json doc_to_text, doc_to_target, doc_to_choice;  // string, integer, list, hook object or null
  Json gen_prefix, description;             // string or null
  std::string target_delimiter = " ", fewshot_delimiter = "\n\n";
  FewshotConfig fewshot;
  DocChatFields chat;                       // asks() = the docs are whole conversations
  std::optional<agent::Workflow> workflow;  // metadata: agent: documents are an agent's tasks (agent/tasks.h)
  bool user_turns = false;                  // metadata: user_turns: documents as in agent/user_turns.h
  Conversation conversation;
  Json generation_kwargs;                   // object, as written

  // The split that is evaluated: test, else validation.
  const std::optional<std::string>& eval_split() const { return test_split ? test_split : validation_split; }
};

// Checks every key. Error: "file:line: key: reason".
Result<TaskConfig> parse_task_config(std::shared_ptr<const MergedConfig> merged);

// generation_kwargs with `overrides` replacing keys. Error names the key.
Result<Generation> parse_generation(const Json& kwargs, const std::string& fewshot_delimiter, const Json& overrides);

}  // namespace qeval
