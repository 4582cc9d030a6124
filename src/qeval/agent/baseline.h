#pragma once

#include <string>

#include "qeval/agent/episode.h"
#include "qeval/util/random.h"

namespace qeval::agent {

// Agents that are no model: what the suite's own worth is measured with. They answer with text, as a model does.
enum class BaselineKind {
  gold,        // the document's own trajectory
  do_nothing,  // says "Done." to everything
  random,      // calls tools with arguments drawn from what stands in the state, or says "Done."
};
const char* to_string(BaselineKind kind);

// One conversation's baseline; deterministic in the document and the seed.
class Baseline {
 public:
  Baseline(BaselineKind kind, const Json& doc, uint64_t seed = 1);
  // The next turn, in Hermes' form (core/tool_call.h). Gold that has run out says "".
  std::string answer(const Episode& episode);

 private:
  std::string random_answer(const Episode& episode);
  Json random_value(const Json& schema);

  BaselineKind kind_;
  const Json& doc_;
  PyRandom random_;
  size_t next_ = 0;
  std::vector<std::string> words_;  // every key and text of the state
};

}  // namespace qeval::agent
