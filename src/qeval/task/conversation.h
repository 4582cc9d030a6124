#pragma once

#include <map>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/core/sample.h"
#include "qeval/task/config.h"
#include "qeval/util/result.h"

namespace qeval {

// A task whose documents hold a whole conversation of user messages, each asked after the answer to the one before
// (MT-Bench). In YAML, under `metadata`:
//   turns: FIELD          the document's list of user messages; the first is what doc_to_text gives
//   temperature_by: {field: FIELD, default: 0.7, VALUE: T, …}   sampling temperature by a field of the document
// Conversations always go through the model's chat template.
struct Conversation {
  std::string turns_field;         // "" = one question, one answer
  std::string temperature_field;   // "" = generation_kwargs alone decide
  double default_temperature = 0;
  std::map<std::string, double> temperatures;

  bool is_one() const { return !turns_field.empty(); }
  // Number of user messages of `doc`. Error: the field is missing or is not a list of texts.
  Result<size_t> n_turns(const Json& doc) const;
  // Replaces the temperature where the task says so and `kwargs` of the command line do not.
  void set_temperature(const Json& doc, const Json& kwargs, Sampling& sampling) const;
  // The next question of every repeat; none after the last turn. `responses` aligned with sample.requests, whose
  // prompts are ChatPrompts. Reasoning is not part of what the next turn sees.
  Result<std::vector<Request>> follow_up(const Sample& sample, const std::vector<Response>& responses, int repeats,
                                         const std::string& think_end_token) const;
};

Result<Conversation> parse_conversation(const MergedConfig& merged);

}  // namespace qeval
