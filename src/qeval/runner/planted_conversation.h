#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/task/task.h"

namespace qeval {

// A sample with every request of its conversation, and the answers that were planted in a model's place.
struct PlantedConversation {
  Sample sample;
  std::vector<Response> responses;
};

// Goes through the task's own turns: `answer(request, turn)` is asked for each request, turns counted from 0. Error: the
// task's, of its next turn.
Result<PlantedConversation> play_planted(const Task& task, Sample sample,
                                         const std::function<std::string(const Request& request, size_t turn)>& answer);

}  // namespace qeval
