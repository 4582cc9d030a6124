#include "qeval/report/run_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "qeval/util/hash.h"

namespace qeval {
namespace {

std::string protocol_hash(Json identity) {
  if (!identity.is_object() || identity.empty()) return "";
  identity.erase("selection");
  return sha256_hex(canonical_json(identity));
}

std::string data_hash(const Json& identity) {
  return identity.is_object() && identity.contains("data") ? sha256_hex(canonical_json(identity["data"])) : "";
}

const double* metric_value(const std::vector<Score>& scores, const TaskSummary& t) {
  for (const Score& score : scores) {
    if (score.filter != t.primary_filter) continue;
    for (const auto& [name, value] : score.metrics)
      if (name == t.primary_metric) return &value;
  }
  return nullptr;
}

}  // namespace

std::string RunView::weights_name() const {
  if (!hf_id.empty()) return hf_id;
  if (!weights.hf_id.empty()) return weights.hf_id;
  if (!weights.name.empty()) return weights.name;
  return run.model_id.empty() ? "unnamed weights" : run.model_id;
}

std::string RunView::model_label() const {
  return weights.quantization.empty() ? weights_name() : weights_name() + " " + weights.quantization;
}

std::string RunView::subject() const { return model_label() + " · " + engine_name + " · " + run.preset; }

std::string RunView::model_key() const {
  std::string key = run.weights_key.empty() ? weights_name() : run.weights_key;
  return key + "\n" + weights.quantization;
}

std::string RunView::subject_key() const { return model_key() + "\n" + engine_name + "\n" + run.preset; }

const TaskFacts* RunView::facts_of(const std::string& task) const {
  auto it = facts.find(task);
  return it == facts.end() ? nullptr : &it->second;
}

RunView view_of(const RunRecord& run, const std::vector<TaskSummary>& tasks) {
  RunView view;
  view.run = run;
  view.tasks = tasks;
  view.performance = run_performance_from_json(run.performance);
  view.hf_id = json_string(run.spec, "hf_id");
  Json loaded = json_object(run.environment, "weights");
  view.weights = weights_from_json(loaded.empty() ? json_object(run.spec, "weights") : loaded);
  view.engine_name = run.engine;
  Json engine = json_object(run.environment, "engine"), asked = json_object(run.spec, "engine");
  view.engine_version = json_string(engine, "version", json_string(asked, "version"));
  view.device = json_string(engine, "device", json_string(asked, "device"));
  if (run.spec.is_object() && run.spec.contains("pending") && run.spec["pending"].is_array())
    for (const Json& p : run.spec["pending"])
      view.pending.push_back({json_string(p, "task"), json_string(p, "row"), json_string(p, "reason")});
  view.groups = group_views(view);
  return view;
}

RunView view_of(const RunRecord& run, const std::vector<TaskRecord>& records) {
  std::vector<TaskSummary> tasks;
  for (const TaskRecord& record : records)
    if (record.summary.is_object() && !record.summary.empty()) tasks.push_back(task_summary_from_json(record.summary));
  RunView view = view_of(run, tasks);
  for (const TaskRecord& record : records)
    view.facts[record.task] = {protocol_hash(record.identity), data_hash(record.identity), record.n_docs_total,
                                record.data_note, {}};
  add_group_facts(view);
  return view;
}

Result<std::vector<RunView>> load_views(const Store& store) {
  std::vector<RunView> views;
  QEVAL_TRY(auto runs, store.runs());
  for (const RunRecord& run : runs) {
    QEVAL_TRY(auto records, store.tasks(run.id));
    RunView view = view_of(run, records);
    if (!view.tasks.empty() || run.status == RunStatus::failed) views.push_back(std::move(view));
  }
  return views;
}

Result<RunView> load_view(const Store& store, RunId id) {
  QEVAL_TRY(auto run, store.run(id));
  if (!run) return bad_input(fmt::format("{}: there is no run {}; `qeval show` lists them", store.path(), id));
  QEVAL_TRY(auto records, store.tasks(id));
  std::vector<RunView> one{view_of(*run, records)};
  QEVAL_CHECK(load_items(store, one, std::numeric_limits<int64_t>::max()));
  return std::move(one[0]);
}

Status load_items(const Store& store, std::vector<RunView>& views, int64_t max_docs) {
  for (size_t i = views.size(); i-- > 0;) {
    for (const TaskSummary& t : views[i].tasks) {
      if (t.n_docs > max_docs) continue;
      max_docs -= t.n_docs;
      auto& items = views[i].facts[t.task].items;
      items.clear();
      QEVAL_CHECK(store.for_each_score(views[i].run.id, t.task, [&](int64_t doc_id, std::vector<Score>&& scores) {
        if (const double* value = metric_value(scores, t)) items.emplace_back(doc_id, *value);
        return true;
      }));
      std::sort(items.begin(), items.end());
    }
    add_group_facts(views[i]);
  }
  return {};
}

}  // namespace qeval
