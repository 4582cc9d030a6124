#include "qeval/report/group_views.h"

#include <algorithm>

#include "qeval/registry/published.h"
#include "qeval/report/run_view.h"
#include "qeval/stats/assessment.h"
#include "qeval/stats/group_summary.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr int64_t kIdsPerTask = int64_t{1} << 32;  // a doc's id in a group: its task's place, then its own

const std::vector<PublishedScore>& published() {
  static const std::vector<PublishedScore> rows = load_published().value_or(std::vector<PublishedScore>{});
  return rows;
}

bool same_primary(const TaskSummary& a, const TaskSummary& b) {
  return a.primary_metric == b.primary_metric && a.primary_filter == b.primary_filter;
}

}  // namespace

std::vector<GroupView> group_views(const RunView& view) {
  std::vector<GroupView> out;
  if (!view.run.spec.is_object() || !view.run.spec.contains("groups") || !view.run.spec["groups"].is_array()) return out;
  for (const Json& json : view.run.spec["groups"]) {
    GroupView group{group_spec_from_json(json), {}};
    group.summary = summarise_group(group.spec, view.tasks);
    if (!group.summary.primary()) continue;
    AssessmentInput input;
    input.chance = group.spec.chance;
    input.task_family = group.spec.family;
    // A part of a group is no measure of what was published for the whole.
    if (missing_tasks(group.spec, view.tasks).empty()) {
      input.hf_id = view.hf_id;
      input.published = published();
    }
    assess(group.summary, input);
    out.push_back(std::move(group));
  }
  return out;
}

const GroupView* group_of(const RunView& view, const std::string& task) {
  for (const GroupView& g : view.groups)
    if (std::find(g.spec.tasks.begin(), g.spec.tasks.end(), task) != g.spec.tasks.end()) return &g;
  return nullptr;
}

std::vector<const TaskSummary*> leading_scores(const RunView& view) {
  std::vector<const TaskSummary*> out;
  for (const TaskSummary& t : view.tasks)
    if (!group_of(view, t.task)) out.push_back(&t);
  for (const GroupView& g : view.groups) out.push_back(&g.summary);
  return out;
}

void add_group_facts(RunView& view) {
  for (const GroupView& g : view.groups) {
    TaskFacts facts;
    std::string hashes, data;
    bool whole = true;
    for (size_t i = 0; i < g.spec.tasks.size(); ++i) {
      auto summary = std::find_if(view.tasks.begin(), view.tasks.end(),
                                  [&](const TaskSummary& t) { return t.task == g.spec.tasks[i]; });
      const TaskFacts* part = view.facts_of(g.spec.tasks[i]);
      if (summary == view.tasks.end() || !part || part->protocol_hash.empty()) {
        whole = false;
        continue;
      }
      hashes += part->protocol_hash + "\n";
      data += part->data_hash + "\n";
      facts.n_docs_total += part->n_docs_total;
      if (!same_primary(*summary, g.summary)) continue;
      for (const auto& [id, value] : part->items)
        facts.items.emplace_back(static_cast<int64_t>(i) * kIdsPerTask + id, value);
    }
    if (whole) {
      facts.protocol_hash = sha256_hex(hashes);
      facts.data_hash = sha256_hex(data);
    }
    view.facts[g.spec.name] = std::move(facts);
  }
}

}  // namespace qeval
