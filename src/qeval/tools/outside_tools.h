#pragma once

#include <optional>
#include <string>

#include "qeval/tools/calls.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// What came of calls that were carried out elsewhere.
struct OutsideRun {
  Json results;                    // as `turns`, a text for each call
  std::optional<CallFault> fault;  // a call did not come to its end (time_out, memory_limit, runtime_error): no results
};

struct OutsideVerdict {
  bool valid = false;
  std::string error_type;          // the checker's own name for what is wrong, "" where nothing is
  std::string explanation;         // for people, bounded
  int turn = -1;                   // 0-based, of the user's turns; -1 = of none
  std::optional<CallFault> fault;  // as OutsideRun
};

// Tools that belong to a benchmark and are run by its own code, outside of this process. A scenario is a document's
// {id, initial_config, involved_classes}; turns are those of the user, each a list of the model's steps, each a list of
// calls {name, arguments}: [[[call]]]. Calls are handed over as data; nothing in them is ever evaluated. The same
// arguments give the same results: every time, all calls are carried out from the scenario's beginning.
// Thread-safe; blocks for milliseconds.
class OutsideTools {
 public:
  virtual ~OutsideTools() = default;
  // Why they cannot be had here and how to get them; "" = they can.
  virtual std::string missing() const = 0;
  // "bfcl-eval 2026.3.23, Python 3.11.7"; recorded, part of a task's identity. "" where missing.
  virtual std::string version() const = 0;
  // The sandbox that they run in; opens it. Error (environment): there is none.
  virtual Result<std::string> backend() = 0;
  // Errors (environment): the tools or their sandbox failed, not the calls.
  virtual Result<OutsideRun> carry_out(const Json& scenario, const Json& turns) = 0;
  // The benchmark's own verdict on a whole conversation. `accepted`: its answer, a list of call texts for each turn.
  virtual Result<OutsideVerdict> judge(const Json& scenario, const Json& turns, const Json& accepted) = 0;
  // The answer's call texts as data: [[call]].
  virtual Result<Json> read_accepted(const Json& scenario, const Json& accepted) = 0;
};

}  // namespace qeval
