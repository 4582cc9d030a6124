#pragma once

#include <string>
#include <string_view>

namespace qeval {

// What follows the last end of a model's reasoning, without leading white space: what a user, a next turn or a judge
// sees. `end_token` "" means "</think>". A text that opens its reasoning and never ends it has no such part: "".
std::string after_reasoning(std::string_view text, std::string_view end_token = "");

}  // namespace qeval
