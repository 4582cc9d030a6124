#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "qeval/scorer/metric.h"
#include "qeval/scorer/scorer.h"
#include "qeval/stats/bootstrap.h"
#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {


// What one metric of one filter has to say about each scored doc.
struct Column {
  std::vector<double> values;
  std::vector<std::pair<double, double>> weighted;  // nats, units
  std::vector<std::pair<int64_t, int64_t>> pairs;   // gold, prediction
  std::vector<std::string> clusters;                // aligned with values, or empty: all independent
  std::vector<std::string> weighted_clusters;       // aligned with weighted, or empty
  int64_t n_infrastructure = 0;
};

const Json* detail(const Score& score, const char* kind, const std::string& metric) {
  if (!score.details.is_object() || !score.details.contains(kind) || !score.details[kind].contains(metric))
    return nullptr;
  const Json& found = score.details[kind][metric];
  return found.is_array() && found.size() == 2 && found[0].is_number() && found[1].is_number() ? &found : nullptr;
}

void add_score(const Score& score, const Metric& metric, Column& column) {
  if (is_infrastructure(score.failure_class)) {
    ++column.n_infrastructure;
    return;
  }
  for (const auto& [name, value] : score.metrics) {
    if (name != metric.name) continue;
    column.values.push_back(value);
    std::string cluster = json_string(score.details, "cluster");
    if (!cluster.empty()) column.clusters.push_back(cluster);
    if (const Json* w = detail(score, "weighted", name)) {
      column.weighted.emplace_back((*w)[0].get<double>(), (*w)[1].get<double>());
      if (!cluster.empty()) column.weighted_clusters.push_back(cluster);
    }
    if (const Json* p = detail(score, "pairs", name))
      column.pairs.emplace_back((*p)[0].get<int64_t>(), (*p)[1].get<int64_t>());
    return;
  }
}

// Sorts items together with their clusters; without a cluster for each of them, there are none.
template <typename T>
void sort_with(std::vector<T>& items, std::vector<std::string>& clusters) {
  if (clusters.size() != items.size()) {
    clusters.clear();
    std::sort(items.begin(), items.end());
    return;
  }
  std::vector<std::pair<std::string, T>> both;
  for (size_t i = 0; i < items.size(); ++i) both.emplace_back(clusters[i], items[i]);
  std::sort(both.begin(), both.end());
  for (size_t i = 0; i < items.size(); ++i) std::tie(clusters[i], items[i]) = both[i];
}

// Numbers for names, in order of first appearance.
std::vector<int64_t> cluster_numbers(const std::vector<std::string>& names) {
  std::map<std::string, int64_t> known;
  std::vector<int64_t> out;
  for (const std::string& name : names) out.push_back(known.emplace(name, static_cast<int64_t>(known.size())).first->second);
  return out;
}

Column column_of(const std::string& filter, const Metric& metric, const std::vector<std::vector<Score>>& scores) {
  Column column;
  for (const auto& sample : scores)
    for (const Score& score : sample)
      if (score.filter == filter) add_score(score, metric, column);
  // An order that does not depend on which response came first, so that resampling does not either.
  sort_with(column.values, column.clusters);
  sort_with(column.weighted, column.weighted_clusters);
  std::sort(column.pairs.begin(), column.pairs.end());
  return column;
}

double weighted_mean(const std::vector<std::pair<double, double>>& items) {
  double nats = 0, units = 0;
  for (const auto& [ll, n] : items) nats += ll, units += n;
  return units == 0 ? kNaN : nats / units;
}

double plain_mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return values.empty() ? kNaN : sum / static_cast<double>(values.size());
}

template <typename T>
std::vector<T> picked(const std::vector<T>& items, const std::vector<size_t>& indices) {
  std::vector<T> out;
  out.reserve(indices.size());
  for (size_t i : indices) out.push_back(items[i]);
  return out;
}

// Value on the docs of `indices`. Sums run over a fixed order already.
double aggregate(Aggregation how, const Column& column, const std::vector<size_t>& indices) {
  switch (how) {
    case Aggregation::median:
      return upper_median(picked(column.values, indices));
    case Aggregation::perplexity:
      return std::exp(-plain_mean(picked(column.values, indices)));
    case Aggregation::weighted_mean:
      return weighted_mean(picked(column.weighted, indices));
    case Aggregation::weighted_perplexity:
      return std::exp(-weighted_mean(picked(column.weighted, indices)));
    case Aggregation::bits_per_byte:
      return -weighted_mean(picked(column.weighted, indices)) / std::log(2.0);
    case Aggregation::f1:
      return f1_of_pairs(picked(column.pairs, indices));
    case Aggregation::matthews_corrcoef:
      return matthews_of_pairs(picked(column.pairs, indices));
    default:
      return plain_mean(picked(column.values, indices));
  }
}

size_t n_items(Aggregation how, const Column& column) {
  if (how == Aggregation::weighted_perplexity || how == Aggregation::bits_per_byte ||
      how == Aggregation::weighted_mean)
    return column.weighted.size();
  if (how == Aggregation::f1 || how == Aggregation::matthews_corrcoef) return column.pairs.size();
  return column.values.size();
}

bool all_of_values(const Column& column, bool (*test)(double)) {
  return std::all_of(column.values.begin(), column.values.end(), test);
}

// Standard error and interval where items of one cluster are alike. The sandwich estimate is scaled by g/(g−1) for few
// clusters. Proportions: Wilson with the effective sample size n/deff, where deff = clustered variance / p(1−p)/n and at
// least 1; with p at 0 or 1, where no variance shows, each cluster counts once.
Interval clustered_interval(const Column& column, bool unit, MetricSummary& out) {
  std::vector<int64_t> clusters = cluster_numbers(column.clusters);
  double n = static_cast<double>(clusters.size()), g = static_cast<double>(std::set<int64_t>(clusters.begin(), clusters.end()).size());
  if (g < 2) return {unit ? 0 : kNaN, unit ? 1 : kNaN};
  out.stderr_value = clustered_standard_error(column.values, clusters) * std::sqrt(g / (g - 1));
  if (!out.is_proportion) {
    Interval interval = normal_interval(out.value, out.stderr_value);
    return unit ? Interval{std::max(0.0, interval.low), std::min(1.0, interval.high)} : interval;
  }
  double variance = out.value * (1 - out.value) / n;
  double effective = variance > 0 ? n / std::max(1.0, out.stderr_value * out.stderr_value / variance) : g;
  return wilson_interval_of_share(out.value, std::max(1.0, effective));
}

void summarise_mean(const Column& column, MetricSummary& out) {
  out.value = mean(column.values);
  out.stderr_value = standard_error(column.values);
  bool unit = all_of_values(column, [](double v) { return v >= 0 && v <= 1; });
  out.is_proportion = !column.values.empty() && all_of_values(column, [](double v) { return v == 0 || v == 1; });
  Interval interval = normal_interval(out.value, out.stderr_value);
  double n = static_cast<double>(column.values.size());
  if (out.is_proportion)
    interval = wilson_interval(static_cast<int64_t>(std::lround(out.value * n)), out.n);
  else if (unit)
    interval = {std::max(0.0, interval.low), std::min(1.0, interval.high)};
  if (!column.clusters.empty()) interval = clustered_interval(column, unit, out);
  out.low = interval.low;
  out.high = interval.high;
  if (!unit) return;
  double lost = static_cast<double>(out.n_infrastructure), sum = column.values.empty() ? 0 : sorted_sum(column.values);
  if (n + lost == 0) return;
  out.bound_low = sum / (n + lost);
  out.bound_high = (sum + lost) / (n + lost);
}

void summarise_other(Aggregation how, const Column& column, MetricSummary& out) {
  size_t n = n_items(how, column);
  std::vector<size_t> all(n);
  for (size_t i = 0; i < n; ++i) all[i] = i;
  if (n > 0) out.value = aggregate(how, column, all);
  if (out.n_infrastructure == 0) out.bound_low = out.bound_high = out.value;
  if (n < 2) return;
  auto statistic = [&](const std::vector<size_t>& indices) { return aggregate(how, column, indices); };
  bool clustered = how == Aggregation::weighted_mean && column.weighted_clusters.size() == n;
  BootstrapResult result = clustered ? cluster_bootstrap(cluster_numbers(column.weighted_clusters), statistic) : bootstrap(n, statistic);
  out.stderr_value = result.standard_error;
  out.low = result.interval.low;
  out.high = result.interval.high;
}

MetricSummary summarise_column(const std::string& filter, const Metric& metric, const Column& column) {
  MetricSummary out;
  out.metric = metric.name;
  out.filter = filter;
  out.higher_is_better = metric.higher_is_better;
  out.n = static_cast<int64_t>(n_items(metric.aggregation, column));
  out.n_infrastructure = column.n_infrastructure;
  out.value = out.stderr_value = out.low = out.high = out.bound_low = out.bound_high = kNaN;
  bool is_mean = metric.aggregation == Aggregation::mean || metric.aggregation == Aggregation::nanmean;
  if (is_mean)
    summarise_mean(column, out);
  else
    summarise_other(metric.aggregation, column, out);
  return out;
}

}  // namespace

std::vector<MetricSummary> summarise(const TaskSpec& spec, const std::vector<std::vector<Score>>& scores) {
  std::vector<MetricSummary> out;
  auto metrics = compile_metrics(spec);
  if (!metrics) return out;
  std::vector<std::string> filters;
  for (const FilterPipeline& pipeline : spec.scoring.filters) filters.push_back(pipeline.name);
  if (filters.empty()) filters.push_back("none");
  for (const std::string& filter : filters)
    for (const Metric& metric : *metrics)
      if (metric.kind != MetricKind::bypass)
        out.push_back(summarise_column(filter, metric, column_of(filter, metric, scores)));
  return out;
}

std::map<std::string, std::vector<ClassCount>> class_counts(const std::vector<std::vector<Score>>& scores,
                                                            const std::vector<int64_t>& doc_ids, size_t n_examples) {
  std::map<std::string, std::map<FailureClass, std::vector<int64_t>>> found;
  for (size_t i = 0; i < scores.size(); ++i)
    for (const Score& score : scores[i])
      found[score.filter][score.failure_class].push_back(i < doc_ids.size() ? doc_ids[i] : static_cast<int64_t>(i));
  std::map<std::string, std::vector<ClassCount>> out;
  for (auto& [filter, classes] : found) {
    for (auto& [failure_class, ids] : classes) {
      ClassCount count{failure_class, static_cast<int64_t>(ids.size()), {}};
      std::sort(ids.begin(), ids.end());
      ids.resize(std::min(ids.size(), n_examples));
      count.example_doc_ids = std::move(ids);
      out[filter].push_back(std::move(count));
    }
    std::stable_sort(out[filter].begin(), out[filter].end(),
                     [](const ClassCount& a, const ClassCount& b) { return a.n > b.n; });
  }
  return out;
}

}  // namespace qeval
