#include "qeval/report/format.h"

#include <fmt/format.h>

#include <cmath>

namespace qeval {

std::string percent(double share, int digits) {
  return std::isfinite(share) ? fmt::format("{:.{}f} %", 100 * share, digits) : "–";
}

namespace {
// Counts and costs of agents, which may lie below 1 by chance.
bool is_amount(const MetricSummary& m) {
  return m.metric == "needless_writes" || m.metric == "steps" || m.metric.ends_with("_per_solved");
}
bool is_rating(const MetricSummary& m) { return m.metric.starts_with("rating"); }
}  // namespace

bool is_share(const MetricSummary& m) {
  if (is_amount(m) || is_rating(m)) return false;
  if (m.is_proportion) return true;
  bool inside = m.value >= 0 && m.value <= 1 && (!std::isfinite(m.high) || m.high <= 1);
  return inside && m.metric.find("perplexity") == std::string::npos && m.metric.find("bits_per") == std::string::npos;
}

std::string score_text(const MetricSummary& m) {
  if (!std::isfinite(m.value)) return "–";
  if (is_rating(m)) return fmt::format("{:.2f} of 10", m.value);
  return is_share(m) ? percent(m.value) : fmt::format("{:.3f}", m.value);
}

std::string interval_text(const MetricSummary& m) {
  if (!std::isfinite(m.low) || !std::isfinite(m.high)) return "";
  return is_share(m) ? fmt::format("[{:.1f}, {:.1f}]", 100 * m.low, 100 * m.high)
                     : fmt::format("[{:.3f}, {:.3f}]", m.low, m.high);
}

std::string stderr_text(const MetricSummary& m) {
  return std::isfinite(m.stderr_value) ? fmt::format("{:.4f}", m.stderr_value) : "";
}

std::string bounds_text(const MetricSummary& m) {
  if (m.n_infrastructure == 0) return "";
  std::string out = fmt::format("{} of {} not scored (infrastructure)", m.n_infrastructure, m.n + m.n_infrastructure);
  if (!std::isfinite(m.bound_low) || !std::isfinite(m.bound_high)) return out;
  if (is_share(m)) return out + fmt::format(": {} to {} if they were", percent(m.bound_low), percent(m.bound_high));
  return out + fmt::format(": {:.3f} to {:.3f} if they were", m.bound_low, m.bound_high);
}

std::string status_text(const TaskSummary& t) {
  const MetricSummary* m = t.primary();
  if (t.n_docs > 0 && t.n_infrastructure >= t.n_docs) return "❌ Failed";
  if (t.n_docs == 0 || !m || m->n == 0) return "⏳ Pending";
  return t.flags.empty() && t.n_infrastructure == 0 ? "✅ Tested" : "⚠️ Suspect";
}

std::string pending_text(const TaskSummary& t, int64_t run) {
  const MetricSummary* m = t.primary();
  auto classes = t.classes.find(t.primary_filter);
  if ((m && m->n > 0) || t.n_docs == 0 || !t.primary_metric.starts_with("rating") || classes == t.classes.end()) return "";
  return fmt::format("answers are stored and wait for a judge: qeval judge {} --judge MODEL", run);
}

std::string doubt_text(const TaskSummary& t) {
  for (const Flag& f : t.flags)
    if (f.kind != "infrastructure") return f.kind + ": " + (f.cause.empty() ? f.reason : f.cause);
  const MetricSummary* m = t.primary();
  if (m && m->n_infrastructure > 0) return bounds_text(*m);
  for (const Flag& f : t.flags) return f.kind + ": " + (f.cause.empty() ? f.reason : f.cause);
  return "";
}

std::string number_or_unmeasured(const std::optional<double>& value, const char* unit, int digits) {
  return value && std::isfinite(*value) ? fmt::format("{:.{}f} {}", *value, digits, unit) : "*unmeasured*";
}

std::string gigabytes_or_unmeasured(const std::optional<int64_t>& bytes) {
  return bytes ? fmt::format("{:.2f} GB", static_cast<double>(*bytes) / 1e9) : "*unmeasured*";
}

std::string class_text(FailureClass c) {
  switch (c) {
    case FailureClass::correct:
      return "right";
    case FailureClass::wrong_answer:
      return "wrong answer";
    case FailureClass::no_answer:
      return "no answer found in the text";
    case FailureClass::wrong_format:
      return "right answer, rejected by the protocol's format";
    case FailureClass::truncated:
      return "cut by the token limit";
    case FailureClass::stopped_mid_answer:
      return "a stop string cut the answer";
    case FailureClass::empty_or_refusal:
      return "empty or a refusal";
    case FailureClass::unfinished_thinking:
      return "thinking not finished";
    case FailureClass::syntax_error:
      return "syntax error";
    case FailureClass::unterminated_string:
      return "unterminated string literal";
    case FailureClass::code_fence:
      return "wrapped in a Markdown fence or chat text";
    case FailureClass::runtime_error:
      return "Python runtime error";
    case FailureClass::test_failed:
      return "code runs, a test fails";
    case FailureClass::time_out:
      return "code ran out of time";
    case FailureClass::memory_limit:
      return "code ran out of memory";
    case FailureClass::engine_failure:
      return "engine failure (not the model's)";
    case FailureClass::sandbox_failure:
      return "sandbox failure (not the model's)";
    case FailureClass::not_judged:
      return "waiting for a judge";
    case FailureClass::no_rating:
      return "no rating in the judge's text";
    case FailureClass::degenerate:
      return "log-likelihoods that cannot rank";
    case FailureClass::no_call:
      return "no call where one was due";
    case FailureClass::prose:
      return "prose instead of a call or JSON";
    case FailureClass::invalid_json:
      return "invalid JSON";
    case FailureClass::surrounding_text:
      return "text around the call or JSON";
    case FailureClass::call_syntax:
      return "call in another syntax";
    case FailureClass::unknown_function:
      return "unknown function";
    case FailureClass::missing_parameter:
      return "missing parameter";
    case FailureClass::unknown_parameter:
      return "unknown parameter";
    case FailureClass::wrong_type:
      return "wrong type";
    case FailureClass::wrong_value:
      return "wrong value";
    case FailureClass::wrong_call_count:
      return "wrong number of calls";
    case FailureClass::needless_call:
      return "call where none was due";
    case FailureClass::wrong_function:
      return "another function than was due";
    case FailureClass::schema_violation:
      return "JSON that its schema refuses";
    case FailureClass::wrong_state:
      return "wrong final state";
    case FailureClass::forbidden_write:
      return "forbidden change";
    case FailureClass::missing_answer:
      return "required answer not given";
    case FailureClass::step_limit:
      return "step budget spent";
    case FailureClass::invalid_calls:
      return "calls stay invalid";
  }
  return "unknown";
}

const ClassCount* most_frequent_failure(const TaskSummary& t) {
  auto it = t.classes.find(t.primary_filter);
  if (it == t.classes.end()) return nullptr;
  const ClassCount* most = nullptr;
  for (const ClassCount& c : it->second)
    if (c.failure_class != FailureClass::correct && c.n > 0 && (!most || c.n > most->n)) most = &c;
  return most;
}

}  // namespace qeval
