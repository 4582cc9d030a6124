#include "qeval/scorer/agent_score.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/conversation.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {

struct Totals {
  int64_t n_repeats = 0, n_solved = 0, n_calls = 0, n_invalid = 0, n_needless = 0, n_steps = 0, n_tokens = 0;
  double seconds = 0;
};

std::string call_names(const agent::EpisodeLog& log) {
  std::string out;
  for (const agent::ExecutedCall& call : log.calls) {
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", agent::quote(call.name), call.error_code.empty() ? "" : " (" + call.error_code + ")");
    if (out.size() > 400) return out + ", …";
  }
  return out.empty() ? "no call" : out;
}

Json episode_json(const agent::Verdict& verdict, const agent::Replay& replay) {
  return {{"success", verdict.success}, {"class", to_string(verdict.failure_class)}, {"explanation", verdict.explanation},
          {"end", agent::to_string(replay.log.end)}, {"steps", verdict.n_steps}, {"calls", verdict.n_calls},
          {"invalid_calls", verdict.n_invalid_calls}, {"needless_writes", verdict.n_needless_writes},
          {"tokens", replay.n_tokens}, {"new_tokens", replay.n_new_tokens}, {"seconds", replay.seconds}};
}

void add_metric_value(const Metric& metric, const Totals& t, Score& out) {
  auto weighted = [&](double value, double sum, double count) {
    out.details["weighted"][metric.name] = Json::array({sum, count});
    out.metrics.emplace_back(metric.name, value);
  };
  double n = static_cast<double>(t.n_repeats), solved = static_cast<double>(t.n_solved);
  if (metric.name == "success") out.metrics.emplace_back(metric.name, solved / n);
  else if (metric.name.starts_with("pass^")) out.metrics.emplace_back(metric.name, pass_hat_k(t.n_repeats, t.n_solved, metric.k));
  else if (metric.name == "invalid_call_rate") {
    double calls = static_cast<double>(t.n_calls), invalid = static_cast<double>(t.n_invalid);
    weighted(calls > 0 ? invalid / calls : 0, invalid, calls);
  } else if (metric.name == "needless_writes") out.metrics.emplace_back(metric.name, static_cast<double>(t.n_needless) / n);
  else if (metric.name == "steps") out.metrics.emplace_back(metric.name, static_cast<double>(t.n_steps) / n);
  else if (metric.name == "tokens_per_solved") weighted(static_cast<double>(t.n_tokens), static_cast<double>(t.n_tokens), solved);
  else if (metric.name == "seconds_per_solved") weighted(t.seconds, t.seconds, solved);
}

}  // namespace

bool is_agent_metric(const std::string& name) {
  for (const char* known : {"success", "pass^k", "invalid_call_rate", "needless_writes", "steps", "tokens_per_solved", "seconds_per_solved"})
    if (name == known) return true;
  return false;
}

std::vector<int64_t> pass_powers(int64_t repeats) {
  std::vector<int64_t> out;
  for (int64_t k = 2; k < repeats; k *= 2) out.push_back(k);
  if (repeats > 1) out.push_back(repeats);
  return out;
}

Score score_agent(const std::vector<Metric>& metrics, const Sample& sample, const std::vector<Response>& responses) {
  Score out;
  Totals totals;
  out.failure_class = FailureClass::correct;
  out.details = {{"cluster", json_string(sample.doc, "template")}, {"kind", json_string(sample.doc, "kind")}, {"episodes", Json::array()}};
  totals.n_repeats = agent::n_repeats(sample);
  for (int repeat = 0; repeat < totals.n_repeats; ++repeat) {
    agent::Replay replay = agent::replay(sample, responses, repeat);
    if (replay.log.end == agent::End::running) {
      out = Score{};
      out.failure_class = FailureClass::engine_failure;
      out.explanation = fmt::format("repeat {}: the conversation has not come to its end", repeat);
      out.details = {{"engine_failure", out.explanation}};
      return out;
    }
    agent::Verdict verdict = agent::judge(sample.doc, replay.log);
    if (repeat == 0) out.extracted = call_names(replay.log);
    if (!verdict.success && out.failure_class == FailureClass::correct) {
      out.failure_class = verdict.failure_class;
      out.explanation = verdict.explanation;
    }
    totals.n_solved += verdict.success;
    totals.n_calls += verdict.n_calls;
    totals.n_invalid += verdict.n_invalid_calls;
    totals.n_needless += verdict.n_needless_writes;
    totals.n_steps += verdict.n_steps;
    totals.n_tokens += replay.n_tokens;
    totals.seconds += replay.seconds;
    out.details["episodes"].push_back(episode_json(verdict, replay));
  }
  for (const Metric& metric : metrics) add_metric_value(metric, totals, out);
  return out;
}

}  // namespace qeval
