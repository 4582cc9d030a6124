#include "qeval/report/run_view.h"

namespace qeval {

std::string RunView::weights_name() const {
  if (!hf_id.empty()) return hf_id;
  if (!weights.name.empty()) return weights.name;
  return run.model_id;
}

std::string RunView::subject() const {
  return weights_name() + " " + weights.quantization + " · " + engine_name + " · " + run.preset;
}

RunView view_of(const RunRecord& run, const std::vector<TaskSummary>& tasks) {
  RunView view;
  view.run = run;
  view.tasks = tasks;
  view.performance = run_performance_from_json(run.performance);
  view.hf_id = json_string(run.spec, "hf_id");
  const Json& loaded = run.environment.is_object() && run.environment.contains("weights") ? run.environment["weights"] : Json();
  view.weights = weights_from_json(loaded.is_object() ? loaded : run.spec.contains("weights") ? run.spec["weights"] : Json::object());
  view.engine_name = run.engine;
  if (run.environment.is_object() && run.environment.contains("engine")) {
    view.engine_version = json_string(run.environment["engine"], "version");
    view.device = json_string(run.environment["engine"], "device");
  }
  if (run.spec.is_object() && run.spec.contains("pending"))
    for (const Json& p : run.spec["pending"])
      view.pending.push_back({json_string(p, "task"), json_string(p, "row"), json_string(p, "reason")});
  return view;
}

Result<std::vector<RunView>> load_views(const Store& store) {
  std::vector<RunView> views;
  QEVAL_TRY(auto runs, store.runs());
  for (const RunRecord& run : runs) {
    QEVAL_TRY(auto records, store.tasks(run.id));
    std::vector<TaskSummary> tasks;
    for (const TaskRecord& record : records)
      if (record.summary.is_object()) tasks.push_back(task_summary_from_json(record.summary));
    if (!tasks.empty()) views.push_back(view_of(run, tasks));
  }
  return views;
}

}  // namespace qeval
