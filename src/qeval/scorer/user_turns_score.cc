#include "qeval/scorer/user_turns_score.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/conversation.h"
#include "qeval/agent/user_turns.h"
#include "qeval/scorer/answer.h"

namespace qeval {
namespace {

using agent::UserTurnsLog;

struct Outcome {
  FailureClass failure_class = FailureClass::correct;
  std::string explanation, error_type;
};

// The answer that ended a turn is a call that went wrong, or was never finished: the likely cause of what is missing.
bool explains(const CallFault& end) { return is_format(end.failure_class) && end.failure_class != FailureClass::prose; }

std::string fault_text(const CallFault& fault) { return fault.detail.empty() ? to_string(fault.failure_class) : fault.detail; }

Outcome outcome_of(const OutsideVerdict& verdict, const UserTurnsLog& log) {
  Outcome out;
  out.error_type = verdict.error_type;
  out.explanation = fmt::format("turn {}: {}", verdict.turn + 1, verdict.explanation);
  const CallFault* end = verdict.turn >= 0 && static_cast<size_t>(verdict.turn) < log.ends.size() ? &log.ends[static_cast<size_t>(verdict.turn)] : nullptr;
  if (verdict.error_type == "multi_turn:instance_state_mismatch") out.failure_class = FailureClass::wrong_state;
  else if (verdict.error_type == "multi_turn:execution_response_mismatch") out.failure_class = FailureClass::missing_answer;
  else if (verdict.error_type == "multi_turn:empty_turn_model_response") out.failure_class = end ? end->failure_class : FailureClass::no_call;
  else out.failure_class = FailureClass::wrong_answer;
  if (end && explains(*end)) {
    out.failure_class = end->failure_class;
    out.explanation += fmt::format(" The turn ended with: {}", fault_text(*end));
  }
  return out;
}

Result<Outcome> judge(const Sample& sample, const UserTurnsLog& log, OutsideTools& tools) {
  using End = UserTurnsLog::End;
  const size_t turn = log.turns.size(), n_turns = sample.doc["turns"].size();
  if (log.end == End::context_full)
    return Outcome{FailureClass::truncated, fmt::format("turn {}: the conversation no longer fits the context", turn), "context_full"};
  if (log.end == End::running) {
    QEVAL_TRY(OutsideRun ran, tools.carry_out(agent::scenario_of(sample.doc), log.turns));
    if (ran.fault) return Outcome{ran.fault->failure_class, fmt::format("turn {}: {}", turn, ran.fault->detail), "call_did_not_end"};
    return Outcome{FailureClass::engine_failure, "the conversation has not come to its end", ""};
  }
  // In the last turn the package judges what was done; before it, the conversation as a whole has failed.
  if (log.end == End::step_limit && turn < n_turns)
    return Outcome{FailureClass::step_limit, fmt::format("turn {}: more than {} steps", turn, agent::kMaxStepsPerTurn), "force_terminated"};
  QEVAL_TRY(OutsideVerdict verdict, tools.judge(agent::scenario_of(sample.doc), log.turns, sample.doc["ground_truth"]));
  if (verdict.fault) return Outcome{verdict.fault->failure_class, verdict.fault->detail, "call_did_not_end"};
  return verdict.valid ? Outcome{} : outcome_of(verdict, log);
}

std::string names_of(const Json& turns) {
  std::string out;
  for (const Json& turn : turns) {
    if (!out.empty()) out += " | ";
    bool first = true;
    for (const Json& step : turn)
      for (const Json& call : step) {
        out += (first ? "" : ", ") + json_string(call, "name");
        first = false;
        if (out.size() > 600) return out + ", …";
      }
  }
  return out;
}

Json repeat_json(const Sample& sample, const UserTurnsLog& log, const Outcome& outcome) {
  int64_t n_calls = 0, n_needless = 0;
  for (size_t turn = 0; turn < log.turns.size(); ++turn)
    for (const Json& step : log.turns[turn]) {
      n_calls += static_cast<int64_t>(step.size());
      if (sample.doc["ground_truth"][turn].empty()) n_needless += static_cast<int64_t>(step.size());
    }
  return {{"turns", log.turns.size()}, {"steps", log.n_steps}, {"calls", n_calls}, {"calls_where_none_were_due", n_needless},
          {"tokens", log.n_tokens}, {"error", outcome.error_type}};
}

Score infrastructure(FailureClass failure_class, const std::string& reason) {
  Score out;
  out.failure_class = failure_class;
  out.explanation = reason;
  if (failure_class == FailureClass::engine_failure) out.details = {{"engine_failure", reason}};
  return out;
}

}  // namespace

Score score_user_turns(const Sample& sample, const std::vector<Response>& responses, OutsideTools& tools) {
  std::vector<Response> judged = responses;
  std::erase_if(judged, [](const Response& r) { return r.failure == EngineFailure::context_too_long; });
  if (std::string fault = engine_fault(judged); !fault.empty()) return infrastructure(FailureClass::engine_failure, fault);
  Score out;
  out.failure_class = FailureClass::correct;
  out.details = {{"repeats", Json::array()}};
  const int n_repeats = agent::n_repeats(sample);
  int n_right = 0;
  for (int repeat = 0; repeat < n_repeats; ++repeat) {
    const UserTurnsLog log = agent::read_user_turns(sample, responses, repeat);
    auto outcome = judge(sample, log, tools);
    if (!outcome) return infrastructure(FailureClass::sandbox_failure, outcome.error().message);
    if (is_infrastructure(outcome->failure_class)) return infrastructure(outcome->failure_class, outcome->explanation);
    const bool right = outcome->failure_class == FailureClass::correct;
    n_right += right;
    if (repeat == 0 || (!right && out.failure_class == FailureClass::correct)) {
      out.extracted = names_of(log.turns);
      out.failure_class = outcome->failure_class;
      out.explanation = outcome->explanation;
    }
    out.details["repeats"].push_back(repeat_json(sample, log, *outcome));
  }
  out.metrics.emplace_back("acc", n_repeats == 0 ? 0 : static_cast<double>(n_right) / n_repeats);
  return out;
}

}  // namespace qeval
