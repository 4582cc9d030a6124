#include "qeval/report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/report/format.h"
#include "qeval/stats/compare.h"
#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {

constexpr double kLevel = 0.05;
constexpr int64_t kFewestPaired = 5;   // common docs, below which pairing says nothing
constexpr double kSignFlipWork = 2e7;  // docs × iterations

double variance_of(const MetricSummary& m) {
  if (std::isfinite(m.stderr_value) && m.stderr_value > 0) return m.stderr_value * m.stderr_value;
  // A score of 0 or 1 has no spread of its own: half the interval's width stands in.
  double half = (m.high - m.low) / 2 / kZ95;
  return std::isfinite(half) ? half * half : 0;
}

ScoreMove unpaired(const MetricSummary& a, const MetricSummary& b) {
  ScoreMove move;
  move.difference = b.value - a.value;
  move.n = std::min(a.n, b.n);
  double spread = std::sqrt(variance_of(a) + variance_of(b));
  if (spread > 0)
    move.p_value = 2 * (1 - normal_cdf(std::abs(move.difference) / spread));
  else
    move.p_value = move.difference == 0 ? 1 : 0;
  return move;
}

std::vector<std::pair<double, double>> common_items(const Scored& a, const Scored& b) {
  std::vector<std::pair<double, double>> out;
  const TaskFacts *fa = a.view->facts_of(a.task->task), *fb = b.view->facts_of(b.task->task);
  if (!fa || !fb) return out;
  auto at = fb->items.begin();
  for (const auto& [doc_id, value] : fa->items) {
    while (at != fb->items.end() && at->first < doc_id) ++at;
    if (at != fb->items.end() && at->first == doc_id) out.emplace_back(value, at->second);
  }
  return out;
}

// Where two sets never disagree, up to 3 of n might have (rule of three).
double detectable_gap(const ScoreMove& move, double sd) {
  double n = static_cast<double>(move.n), discordance = static_cast<double>(move.n_only_a + move.n_only_b) / n;
  if (!move.binary) discordance = sd * sd;
  return smallest_detectable_gap(move.n, std::max(discordance, move.binary ? std::min(1.0, 3 / n) : 0.0));
}

ScoreMove paired(const std::vector<std::pair<double, double>>& items) {
  ScoreMove move;
  move.paired = true;
  move.n = static_cast<int64_t>(items.size());
  std::vector<double> differences, values_a, values_b;
  bool binary = true;
  for (const auto& [a, b] : items) {
    values_a.push_back(a);
    values_b.push_back(b);
    differences.push_back(b - a);
    binary = binary && (a == 0 || a == 1) && (b == 0 || b == 1);
    move.n_only_a += a > b;
    move.n_only_b += b > a;
  }
  move.binary = binary;
  move.value_a = mean(values_a);
  move.value_b = mean(values_b);
  move.difference = mean(differences);
  double sd = sample_sd(differences);
  Interval interval = normal_interval(move.difference, sd / std::sqrt(static_cast<double>(items.size())));
  move.low = interval.low;
  move.high = interval.high;
  move.detectable = detectable_gap(move, sd);
  double n = static_cast<double>(items.size());
  int iterations = static_cast<int>(std::clamp(kSignFlipWork / n, 1000.0, 10000.0));
  move.p_value = binary ? mcnemar_exact(move.n_only_a, move.n_only_b) : sign_flip_test(differences, iterations).p_value;
  return move;
}

bool has_score(const MetricSummary* m) { return m && m->n > 0 && std::isfinite(m->value); }

}  // namespace

std::string what_differs(const Scored& a, const Scored& b) {
  const TaskSummary &x = *a.task, &y = *b.task;
  if (x.task != y.task) return fmt::format("different tasks, {} and {}", x.task, y.task);
  if (x.version != y.version) return fmt::format("different versions, {} and {}", x.version, y.version);
  if (x.num_fewshot != y.num_fewshot) return fmt::format("{} and {} shots", x.num_fewshot, y.num_fewshot);
  if (x.chat_template != y.chat_template) return "with and without chat template";
  if (x.primary_metric != y.primary_metric || x.primary_filter != y.primary_filter) return "different metrics";
  const TaskFacts *fa = a.view->facts_of(x.task), *fb = b.view->facts_of(y.task);
  bool known = fa && fb && !fa->protocol_hash.empty() && !fb->protocol_hash.empty();
  return known && fa->protocol_hash != fb->protocol_hash ? "different settings, data or few-shot examples" : "";
}

std::optional<ScoreMove> compare_scores(const Scored& a, const Scored& b) {
  const MetricSummary *x = a.task->primary(), *y = b.task->primary();
  if (!has_score(x) || !has_score(y) || !what_differs(a, b).empty()) return std::nullopt;
  // Means of items are what these aggregate; a perplexity or a corpus score is not.
  if (is_share(*x) && is_share(*y)) {
    auto items = common_items(a, b);
    if (static_cast<int64_t>(items.size()) >= kFewestPaired) return paired(items);
  }
  return unpaired(*x, *y);
}

Result<ScoreMove> compare_paired(const Scored& a, const Scored& b) {
  const TaskSummary &x = *a.task, &y = *b.task;
  if (x.version != y.version) return bad_input(fmt::format("different versions, {} and {}", x.version, y.version));
  if (x.primary_metric != y.primary_metric || x.primary_filter != y.primary_filter) return bad_input("different metrics");
  const TaskFacts *fa = a.view->facts_of(x.task), *fb = b.view->facts_of(y.task);
  if (fa && fb && fa->data_hash != fb->data_hash) return bad_input("different data");
  const MetricSummary *mx = x.primary(), *my = y.primary();
  if (!has_score(mx) || !has_score(my)) return bad_input("nothing scored in one of them");
  auto items = common_items(a, b);
  if (items.empty()) return bad_input("no doc in common, or a score that is no mean over docs");
  return paired(items);
}

void settle(const std::vector<ScoreMove*>& family) {
  std::vector<double> p_values;
  for (const ScoreMove* move : family) p_values.push_back(move->p_value);
  std::vector<double> adjusted = holm(p_values);
  for (size_t i = 0; i < family.size(); ++i) {
    family[i]->p_adjusted = adjusted[i];
    family[i]->significant = adjusted[i] < kLevel;
  }
}

std::string move_text(const ScoreMove& move, const MetricSummary& scale) {
  std::string size =
      is_share(scale) ? fmt::format("{:+.1f} points", 100 * move.difference) : fmt::format("{:+.3f}", move.difference);
  std::string basis = "unpaired";
  if (move.paired) basis = fmt::format("{} common docs, {} won, {} lost", move.n, move.n_only_b, move.n_only_a);
  std::string p = move.p_value < 0.001 ? "p < 0.001" : fmt::format("p = {:.3f}", move.p_value);
  return fmt::format("{} ({}; {}): {}", size, basis, p, move.significant ? "more than noise" : "within noise");
}

}  // namespace qeval
