#include "qeval/stats/assessment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/stats/intervals.h"

namespace qeval {
namespace {

constexpr double kFormatLimit = 0.20;
constexpr double kDegenerateLimit = 0.20;
constexpr double kZ99 = 2.5758293035489004;

// Completes "62 of 100 answers …".
const char* phrase(FailureClass c) {
  switch (c) {
    case FailureClass::correct:
      return "are right";
    case FailureClass::wrong_answer:
      return "were read and are wrong";
    case FailureClass::no_answer:
      return "hold nothing that the filter could extract";
    case FailureClass::wrong_format:
      return "are right but in a form that the protocol's filter rejects";
    case FailureClass::truncated:
      return "were cut by the token limit";
    case FailureClass::stopped_mid_answer:
      return "were cut by a stop string before the answer was complete";
    case FailureClass::empty_or_refusal:
      return "are empty or refuse";
    case FailureClass::unfinished_thinking:
      return "never left the thinking part";
    case FailureClass::syntax_error:
      return "are not valid code";
    case FailureClass::unterminated_string:
      return "end in an unterminated string literal";
    case FailureClass::code_fence:
      return "wrap the code in Markdown fences or chat text that the protocol does not remove";
    case FailureClass::runtime_error:
      return "raise an error when run";
    case FailureClass::test_failed:
      return "run but fail their tests";
    case FailureClass::time_out:
      return "ran out of time";
    case FailureClass::memory_limit:
      return "ran out of memory";
    case FailureClass::engine_failure:
      return "are missing because the engine failed";
    case FailureClass::sandbox_failure:
      return "could not be run because the sandbox failed";
    case FailureClass::not_judged:
      return "wait for a judge";
    case FailureClass::no_rating:
      return "got no rating that could be read from the judge";
    case FailureClass::degenerate:
      return "have log-likelihoods that cannot rank the choices (all equal or not finite)";
    case FailureClass::no_call:
      return "make no call where one was due";
    case FailureClass::prose:
      return "are text for people where a call or JSON was due";
    case FailureClass::invalid_json:
      return "are not valid JSON";
    case FailureClass::surrounding_text:
      return "are well-formed, but stand in text that the protocol does not allow";
    case FailureClass::call_syntax:
      return "are calls in another syntax than the protocol's";
    case FailureClass::unknown_function:
      return "call a function that does not exist";
    case FailureClass::missing_parameter:
      return "leave out a required parameter";
    case FailureClass::unknown_parameter:
      return "give a parameter that does not exist";
    case FailureClass::wrong_type:
      return "give a parameter of the wrong type";
    case FailureClass::wrong_value:
      return "give a parameter a wrong value";
    case FailureClass::wrong_call_count:
      return "make more or fewer calls than were due";
    case FailureClass::needless_call:
      return "call a function where none was due";
    case FailureClass::wrong_function:
      return "call another function than the one that was due";
    case FailureClass::schema_violation:
      return "are JSON that the schema refuses";
    case FailureClass::wrong_state:
      return "leave the world in another state than was asked for";
    case FailureClass::forbidden_write:
      return "change what must not be changed";
    case FailureClass::missing_answer:
      return "do not tell the user what had to be said";
    case FailureClass::step_limit:
      return "run out of their budget of turns";
    case FailureClass::invalid_calls:
      return "end in calls that stay invalid after the retries";
  }
  return "are of an unknown class";
}

// What to look at first: the harness before the model.
int suspicion(FailureClass c) {
  if (is_infrastructure(c) || c == FailureClass::degenerate) return 0;
  if (is_format(c) || c == FailureClass::stopped_mid_answer) return 1;
  return 2;
}

int64_t total(const std::vector<ClassCount>& classes) {
  int64_t n = 0;
  for (const ClassCount& c : classes) n += c.n;
  return n;
}

int64_t count(const std::vector<ClassCount>& classes, bool (*wanted)(FailureClass)) {
  int64_t n = 0;
  for (const ClassCount& c : classes)
    if (wanted(c.failure_class)) n += c.n;
  return n;
}

std::string percent(double value) { return std::isfinite(value) ? fmt::format("{:.1f} %", 100 * value) : "undefined"; }

std::string interval_text(const MetricSummary& m) {
  return fmt::format("{} (95 %: {} to {}, n = {})", percent(m.value), percent(m.low), percent(m.high), m.n);
}

// A share of right answers, so that chance and published figures can be compared with it.
bool is_share(const MetricSummary& m) {
  return m.n > 0 && !m.metric.starts_with("rating") && m.higher_is_better && std::isfinite(m.value) && m.value >= 0 && m.value <= 1;
}

struct Match {
  const PublishedScore* published = nullptr;
  const MetricSummary* ours = nullptr;
};

// Rows that state the template win over rows that do not; rows on the primary metric over others.
Match find_match(const TaskSummary& summary, const AssessmentInput& input) {
  Match best;
  int best_rank = -1;
  if (input.hf_id.empty()) return best;
  for (const PublishedScore& row : input.published) {
    if (row.hf_id != input.hf_id || row.task.empty() || row.task != summary.task) continue;
    if (row.num_fewshot != summary.num_fewshot || row.chat_template.value_or(false) != summary.chat_template) continue;
    for (const MetricSummary& m : summary.metrics) {
      if (m.metric != row.metric || (!row.filter.empty() && m.filter != row.filter) || m.n == 0) continue;
      bool primary = m.metric == summary.primary_metric && m.filter == summary.primary_filter;
      int rank = (primary ? 2 : 0) + (row.chat_template ? 1 : 0);
      if (rank > best_rank) best = {&row, &m}, best_rank = rank;
    }
  }
  return best;
}

// Where all or none are right the sample sd is 0; the interval's width stands in for it.
double usable_error(const MetricSummary& m) {
  double from_interval = (m.high - m.low) / (2 * kZ95);
  return std::isfinite(m.stderr_value) && m.stderr_value > 0 ? m.stderr_value : from_interval;
}

bool in_line(const MetricSummary& m, double published) {
  if (published >= m.low && published <= m.high) return true;
  double error = usable_error(m);
  return std::isfinite(error) && std::fabs(m.value - published) <= kZ99 * error;
}

const PublishedScore* lowest_of_family(const TaskSummary& summary, const AssessmentInput& input) {
  const PublishedScore* lowest = nullptr;
  if (input.hf_id.empty()) return nullptr;
  for (const PublishedScore& row : input.published) {
    bool same = row.task == summary.task || (!input.task_family.empty() && row.task_family == input.task_family);
    if (row.hf_id != input.hf_id || !same || row.value > 1) continue;
    if (!lowest || row.value < lowest->value) lowest = &row;
  }
  return lowest;
}

const std::vector<ClassCount>& primary_classes(const TaskSummary& summary) {
  static const std::vector<ClassCount> none;
  auto it = summary.classes.find(summary.primary_filter);
  return it == summary.classes.end() ? none : it->second;
}

void flag_infrastructure(TaskSummary& summary, const std::vector<ClassCount>& classes) {
  int64_t lost = count(classes, is_infrastructure), n = total(classes);
  if (lost == 0) return;
  std::string bounds;
  if (const MetricSummary* m = summary.primary(); m && std::isfinite(m->bound_low) && std::isfinite(m->bound_high))
    bounds = fmt::format("; the score lies between {} and {} if they were resolved", percent(m->bound_low),
                         percent(m->bound_high));
  std::vector<ClassCount> only;
  for (const ClassCount& c : classes)
    if (is_infrastructure(c.failure_class)) only.push_back(c);
  std::string cause;
  for (const ClassCount& c : only)
    cause += fmt::format("{}{} of {} answers {}", cause.empty() ? "" : "; ", c.n, n, phrase(c.failure_class));
  summary.flags.push_back({"infrastructure", fmt::format("{} of {} samples are not scored{}", lost, n, bounds), cause});
}

bool flag_degenerate(TaskSummary& summary, const std::vector<ClassCount>& classes) {
  int64_t n = count(classes, [](FailureClass c) { return c == FailureClass::degenerate; });
  int64_t scored = total(classes) - count(classes, is_infrastructure);
  if (n == 0 || static_cast<double>(n) <= kDegenerateLimit * static_cast<double>(scored)) return false;
  summary.flags.push_back({"degenerate",
                           fmt::format("{} of {} samples cannot be ranked: the value is not a score", n, scored),
                           fmt::format("{} of {} answers {}", n, scored, phrase(FailureClass::degenerate))});
  return true;
}

void flag_suspect(TaskSummary& summary, const AssessmentInput& input, const std::vector<ClassCount>& classes) {
  std::string cause = likely_cause(classes);
  auto flag = [&](std::string reason) { summary.flags.push_back({"suspect", std::move(reason), cause}); };
  if (const MetricSummary* m = summary.primary(); m && is_share(*m)) {
    // A mean of shares has no exact zero by chance alone, so only proportions are held against an unknown chance of 0.
    double chance = input.chance.value_or(0);
    if ((input.chance || m->is_proportion || m->value == 0) && m->low <= chance)
      flag(chance > 0 ? fmt::format("the interval of {} reaches chance ({})", interval_text(*m), percent(chance))
                      : fmt::format("the interval of {} reaches zero", interval_text(*m)));
    if (const PublishedScore* low = lowest_of_family(summary, input); low && m->high < low->value / 2)
      flag(fmt::format("{} is under half of the lowest published figure for these weights, {} ({})", interval_text(*m),
                       percent(low->value), low->source));
  }
  double share = format_share(classes);
  if (share > kFormatLimit)
    flag(fmt::format("{} of the answers fail by form, over {}", percent(share), percent(kFormatLimit)));
}

}  // namespace

double format_share(const std::vector<ClassCount>& classes) {
  int64_t scored = total(classes) - count(classes, is_infrastructure);
  return scored == 0 ? 0 : static_cast<double>(count(classes, is_format)) / static_cast<double>(scored);
}

std::string likely_cause(const std::vector<ClassCount>& classes) {
  std::vector<ClassCount> reasons;
  for (const ClassCount& c : classes)
    if (c.failure_class != FailureClass::correct && c.n > 0) reasons.push_back(c);
  std::stable_sort(reasons.begin(), reasons.end(), [](const ClassCount& a, const ClassCount& b) {
    int left = suspicion(a.failure_class), right = suspicion(b.failure_class);
    if (left != right) return left < right;
    return a.n != b.n ? a.n > b.n : a.failure_class < b.failure_class;
  });
  int64_t n = total(classes);
  // A few answers of bad form explain nothing beside many that are plainly wrong.
  std::stable_partition(reasons.begin(), reasons.end(), [&](const ClassCount& c) { return c.n * 20 > n; });
  std::string out;
  for (size_t i = 0; i < reasons.size() && i < 2; ++i)
    out += fmt::format("{}{} of {} answers {}", i == 0 ? "" : "; ", reasons[i].n, n, phrase(reasons[i].failure_class));
  return out;
}

void assess(TaskSummary& summary, const AssessmentInput& input) {
  summary.flags.clear();
  summary.published.reset();
  const std::vector<ClassCount>& classes = primary_classes(summary);
  flag_infrastructure(summary, classes);
  if (flag_degenerate(summary, classes)) return;
  Match match = find_match(summary, input);
  if (!match.published) {
    flag_suspect(summary, input, classes);
    return;
  }
  bool agrees = in_line(*match.ours, match.published->value);
  summary.published = PublishedMatch{*match.published, agrees};
  if (agrees) return;
  summary.flags.push_back(
      {"out_of_line",
       fmt::format("{} against {} published under the same settings ({})", interval_text(*match.ours),
                   percent(match.published->value), match.published->source),
       likely_cause(classes)});
}

}  // namespace qeval
