#pragma once

#include <memory>

#include "qeval/task/dataset.h"
#include "qeval/task/task_config.h"

namespace qeval {

// Reads the data that the task needs and makes every few-shot draw. `get` may be null (no network).
Result<std::unique_ptr<Task>> make_task(TaskConfig config, const TaskOverrides& overrides, const TaskSources& sources,
                                        const HttpGet& get);

// What lm-eval logs as a request's arguments, before whitespace moves: context and continuation ("" for generation).
struct RawArguments {
  std::string context;
  std::string continuation;
};
// Sample `i`'s arguments, for parity checks and prompt hashes. `render` as in Task::build, never null with a chat
// template.
Result<std::vector<RawArguments>> raw_arguments(const Task& task, size_t i, const ChatRenderer& render);

}  // namespace qeval
