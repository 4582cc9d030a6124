#include "qeval/stats/group_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/stats/intervals.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {

using Tasks = std::vector<const TaskSummary*>;

Tasks tasks_of(const GroupSpec& group, const std::vector<TaskSummary>& tasks) {
  Tasks out;
  for (const std::string& name : group.tasks)
    for (const TaskSummary& t : tasks)
      if (t.task == name) out.push_back(&t);
  return out;
}

const MetricSummary* scored(const TaskSummary& task, const std::string& metric, const std::string& filter) {
  for (const MetricSummary& m : task.metrics)
    if (m.metric == metric && (filter.empty() || m.filter == filter) && m.n > 0 && std::isfinite(m.value)) return &m;
  return nullptr;
}

std::vector<std::string> filters_of(const GroupMetric& wanted, const Tasks& tasks) {
  if (!wanted.filters.empty()) return wanted.filters;
  std::vector<std::string> out;
  for (const TaskSummary* t : tasks)
    for (const MetricSummary& m : t->metrics)
      if (m.metric == wanted.metric && std::find(out.begin(), out.end(), m.filter) == out.end()) out.push_back(m.filter);
  return out;
}

double weighted_mean(const std::vector<const MetricSummary*>& parts, double MetricSummary::*field, bool with_failed) {
  std::vector<double> terms;
  double total = 0;
  for (const MetricSummary* m : parts) {
    double n = static_cast<double>(m->n + (with_failed ? m->n_infrastructure : 0));
    terms.push_back(m->*field * n);
    total += n;
  }
  return sorted_sum(std::move(terms)) / total;
}

double plain_mean(const std::vector<const MetricSummary*>& parts, double MetricSummary::*field) {
  std::vector<double> values;
  for (const MetricSummary* m : parts) values.push_back(m->*field);
  return mean(values);
}

Interval interval_of(const MetricSummary& m, bool weighted) {
  if (weighted && m.is_proportion) return wilson_interval(std::llround(m.value * static_cast<double>(m.n)), m.n);
  Interval out = normal_interval(m.value, m.stderr_value);
  if (m.is_proportion) out = {std::max(0.0, out.low), std::min(1.0, out.high)};
  return out;
}

MetricSummary bring_together(const GroupMetric& wanted, const std::string& filter,
                             const std::vector<const MetricSummary*>& parts) {
  MetricSummary out;
  out.metric = wanted.metric;
  out.filter = filter;
  out.is_proportion = true;
  std::vector<double> errors;
  std::vector<int64_t> sizes;
  for (const MetricSummary* m : parts) {
    errors.push_back(m->stderr_value);
    sizes.push_back(m->n);
    out.n += m->n;
    out.n_infrastructure += m->n_infrastructure;
    out.is_proportion = out.is_proportion && m->is_proportion;
    out.higher_is_better = m->higher_is_better;
  }
  bool weighted = wanted.weight_by_size;
  out.value = weighted ? weighted_mean(parts, &MetricSummary::value, false) : plain_mean(parts, &MetricSummary::value);
  out.stderr_value = weighted ? pooled_standard_error(errors, sizes) : standard_error_of_mean_of(errors);
  out.bound_low = weighted ? weighted_mean(parts, &MetricSummary::bound_low, true) : plain_mean(parts, &MetricSummary::bound_low);
  out.bound_high = weighted ? weighted_mean(parts, &MetricSummary::bound_high, true) : plain_mean(parts, &MetricSummary::bound_high);
  Interval interval = interval_of(out, weighted);
  out.low = interval.low;
  out.high = interval.high;
  return out;
}

void add_metrics(const GroupSpec& group, const Tasks& tasks, TaskSummary& out) {
  for (const GroupMetric& wanted : group.metrics) {
    for (const std::string& filter : filters_of(wanted, tasks)) {
      std::vector<const MetricSummary*> parts;
      for (const TaskSummary* t : tasks)
        if (const MetricSummary* m = scored(*t, wanted.metric, filter)) parts.push_back(m);
      if (!parts.empty()) out.metrics.push_back(bring_together(wanted, filter, parts));
    }
  }
  if (out.metrics.empty()) return;
  out.primary_metric = out.metrics[0].metric;
  out.primary_filter = out.metrics[0].filter;
}

void add_classes(const Tasks& tasks, TaskSummary& out) {
  std::map<std::string, std::map<FailureClass, int64_t>> counts;
  for (const TaskSummary* t : tasks)
    for (const auto& [filter, classes] : t->classes)
      for (const ClassCount& c : classes) counts[filter][c.failure_class] += c.n;
  for (const auto& [filter, classes] : counts) {
    auto& list = out.classes[filter];
    for (const auto& [failure_class, n] : classes) list.push_back({failure_class, n, {}});
    std::stable_sort(list.begin(), list.end(), [](const ClassCount& a, const ClassCount& b) { return a.n > b.n; });
  }
}

// Shots, template and words of the protocol where all tasks agree.
void add_protocol(const Tasks& tasks, TaskSummary& out) {
  if (tasks.empty()) return;
  out.num_fewshot = tasks[0]->num_fewshot;
  out.chat_template = tasks[0]->chat_template;
  out.protocol = tasks[0]->protocol;
  for (const TaskSummary* t : tasks) {
    if (t->protocol != out.protocol) out.protocol = "protocols differ";
    if (t->num_fewshot != out.num_fewshot) out.num_fewshot = -1;
  }
}

}  // namespace

std::vector<std::string> missing_tasks(const GroupSpec& group, const std::vector<TaskSummary>& tasks) {
  std::vector<std::string> out;
  if (group.metrics.empty()) return out;
  const GroupMetric& first = group.metrics[0];
  for (const std::string& name : group.tasks) {
    auto has_score = [&](const TaskSummary& t) {
      return t.task == name && scored(t, first.metric, first.filters.empty() ? "" : first.filters[0]);
    };
    if (std::none_of(tasks.begin(), tasks.end(), has_score)) out.push_back(name);
  }
  return out;
}

TaskSummary summarise_group(const GroupSpec& group, const std::vector<TaskSummary>& all) {
  Tasks tasks = tasks_of(group, all);
  TaskSummary out;
  out.task = group.name;
  out.version = group.version;
  out.title = group.title.empty() ? group.name : group.title;
  out.category = group.category;
  out.row = group.row;
  add_protocol(tasks, out);
  add_metrics(group, tasks, out);
  add_classes(tasks, out);
  for (const TaskSummary* t : tasks) {
    out.n_docs += t->n_docs;
    out.n_infrastructure += t->n_infrastructure;
    out.n_reused += t->n_reused;
    out.n_prompt_tokens += t->n_prompt_tokens;
    out.n_new_tokens += t->n_new_tokens;
    out.wall_s += t->wall_s;
  }
  std::vector<std::string> missing = missing_tasks(group, all);
  bool weighted = !group.metrics.empty() && group.metrics[0].weight_by_size;
  out.note = fmt::format("{} of {} tasks, {}", group.tasks.size() - missing.size(), group.tasks.size(),
                         weighted ? "weighted by size" : "each of equal weight");
  return out;
}

}  // namespace qeval
