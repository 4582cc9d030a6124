#pragma once

#include <string>

#include "qeval/util/json.h"
#include "qeval/util/random.h"

namespace qeval::agent {

// Agents that are no model: what the suite's own worth is measured with. They answer with text, as a model does.
enum class BaselineKind {
  gold,        // the document's own trajectory
  do_nothing,  // says "Done." to everything
  silent,      // says nothing at all
  careless,    // gold without its last call: what it should have done there is left out
  eager,       // gold, and before it something that the task forbids or that nobody asked for
  random,      // calls tools with arguments drawn from what stands in the state, or says "Done."
};
const char* to_string(BaselineKind kind);

// One conversation's baseline; deterministic in the document and the seed.
class Baseline {
 public:
  Baseline(BaselineKind kind, const Json& doc, uint64_t seed = 1);
  // The next turn, in Hermes' form (core/tool_call.h). Gold that has run out says "". `tools`: what the agent may call.
  std::string answer(const Json& tools);

 private:
  std::string random_answer(const Json& tools);
  Json random_value(const Json& schema);

  BaselineKind kind_;
  PyRandom random_;
  Json turns_ = Json::array();      // gold, spoiled or not
  size_t next_ = 0;
  std::vector<std::string> words_;  // every key and text of the state
};

}  // namespace qeval::agent
