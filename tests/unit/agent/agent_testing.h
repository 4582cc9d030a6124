#pragma once

#include <gtest/gtest.h>

#include "qeval/agent/baseline.h"
#include "qeval/agent/episode.h"
#include "qeval/agent/tasks.h"
#include "qeval/agent/turn.h"
#include "qeval/agent/verdict.h"
#include "qeval/agent/world.h"

namespace qeval::agent {

inline ModelTurn say(const std::string& text) { return read_turn(text, Json::array(), Protocol::native, false); }
inline ModelTurn call(const std::string& tool, const Json& arguments) {
  ModelTurn turn;
  turn.calls = {{tool, arguments}};
  return turn;
}

// Plays one document to its end with a baseline agent; answers go through the parser as a model's do.
inline EpisodeLog play(const Json& doc, BaselineKind kind, const Workflow& workflow = {}) {
  Episode episode(doc, workflow);
  Baseline agent(kind, doc);
  while (!episode.finished()) episode.take(read_turn(agent.answer(episode.tools()), episode.tools(), Protocol::native, false));
  return episode.log();
}

}  // namespace qeval::agent
