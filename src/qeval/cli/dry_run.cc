#include "qeval/cli/dry_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/util/file.h"

namespace qeval {
namespace {

constexpr double kBytesPerToken = 4;  // where no run has counted

// One task's questions, counted.
struct Demand {
  int64_t n_docs = 0, n_requests = 0, n_bytes = 0, n_new_at_most = 0;
  int64_t n_done = 0;  // docs that the store has scores of, for this very run
};

struct TokensPerDoc {
  double prompt = 0, generated = 0;
};

// What the store knows of these weights on this engine and machine.
struct Experience {
  std::string basis;          // "" = nothing
  double tok_s = 0;           // decoded tokens a second
  double computed_share = 1;  // of prompt tokens: the rest is shared between prompts
  std::map<std::string, TokensPerDoc> by_task;
};

Result<Demand> demand_of(const Task& task) {
  Demand out;
  out.n_docs = static_cast<int64_t>(task.doc_ids().size());
  ChatRenderer plain = [](const ChatPrompt& chat) -> Result<std::string> { return prompt_text(Prompt(chat)); };
  for (size_t i = 0; i < task.doc_ids().size(); ++i) {
    QEVAL_TRY(Sample sample, task.build(i, plain));
    for (const Request& r : sample.requests) {
      out.n_bytes += static_cast<int64_t>(prompt_text(r.prompt).size() + r.continuation.size());
      ++out.n_requests;
      if (r.kind == RequestKind::generate) out.n_new_at_most += static_cast<int64_t>(r.max_new_tokens) * task.max_turns();
    }
  }
  return out;
}

bool same_host(const Json& a, const Json& b) {
  for (const char* key : {"cpu", "usable_cores", "gpus"}) {
    bool in_a = a.is_object() && a.contains(key), in_b = b.is_object() && b.contains(key);
    if (in_a != in_b || (in_a && a[key] != b[key])) return false;
  }
  return true;
}

bool same_subject(const RunRecord& run, const RunPlan& plan, const Json& host) {
  return run.weights_key == weights_key(plan) && run.engine == plan.engine && same_host(run.environment, host);
}

// Newest first; a run under the same preset says more than any other.
Result<Experience> experience(const Store& store, const RunPlan& plan, const Json& host) {
  Experience out;
  bool same_preset = false;
  QEVAL_TRY(auto runs, store.runs());
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (!same_subject(*run, plan, host)) continue;
    RunPerformance p = run_performance_from_json(run->performance);
    bool preset = run->preset == plan.preset.name;
    if (p.total_tok_s && *p.total_tok_s > 0 && (out.basis.empty() || (preset && !same_preset))) {
      out.tok_s = *p.total_tok_s;
      double prompt = static_cast<double>(p.n_prompt_tokens);
      out.computed_share = prompt > 0 ? 1 - static_cast<double>(p.n_cached_tokens) / prompt : 1;
      out.basis = fmt::format("run {} (same weights, engine and machine, preset {}): {:.0f} tok/s, {:.0f} % of the prompt tokens shared",
                              run->id, run->preset, out.tok_s, 100 * (1 - out.computed_share));
      same_preset = preset;
    }
    QEVAL_TRY(auto tasks, store.tasks(run->id));
    for (const TaskRecord& record : tasks) {
      if (!record.summary.is_object()) continue;
      TaskSummary t = task_summary_from_json(record.summary);
      if (t.n_docs == 0 || t.n_prompt_tokens == 0 || out.by_task.contains(t.task)) continue;
      double n = static_cast<double>(t.n_docs);
      out.by_task[t.task] = {static_cast<double>(t.n_prompt_tokens) / n, static_cast<double>(t.n_new_tokens) / n};
    }
  }
  return out;
}

// Marks what this very run has already; returns its record where there is one.
Result<std::optional<RunRecord>> earlier_attempt(const Store& store, const std::string& key, std::map<std::string, Demand>& demands) {
  QEVAL_TRY(auto runs, store.runs());
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->run_key != key) continue;
    for (auto& [task, demand] : demands) {
      QEVAL_CHECK(store.for_each_score(run->id, task, [&](int64_t, std::vector<Score>&& scores) {
        bool usable = !scores.empty();
        for (const Score& s : scores) usable = usable && !is_infrastructure(s.failure_class);
        demand.n_done += usable;
        return true;
      }));
    }
    return std::optional<RunRecord>(*run);
  }
  return std::optional<RunRecord>();
}

Json expectation(const Experience& known, const std::map<std::string, Demand>& demands, const std::string& store) {
  double prompt = 0, generated = 0;
  Json guessed = Json::array();
  for (const auto& [task, d] : demands) {
    double left = static_cast<double>(d.n_docs - d.n_done), docs = static_cast<double>(std::max<int64_t>(1, d.n_docs));
    auto seen = known.by_task.find(task);
    if (seen != known.by_task.end()) {
      prompt += left * seen->second.prompt;
      generated += left * seen->second.generated;
      continue;
    }
    prompt += static_cast<double>(d.n_bytes) / kBytesPerToken * left / docs;
    generated += static_cast<double>(d.n_new_at_most) * left / docs;
    guessed.push_back(task);
  }
  Json out = {{"prompt_tokens", std::llround(prompt)}, {"new_tokens", std::llround(generated)}};
  if (known.basis.empty()) {
    out["seconds"] = fmt::format("unmeasured: {} holds no earlier run of these weights on this engine and machine", store);
    return out;
  }
  double tokens = prompt * known.computed_share + generated;
  out["seconds"] = std::round(1000 * tokens / known.tok_s) / 1000;
  out["basis"] = known.basis;
  if (!guessed.empty()) out["never_run"] = {{"tasks", guessed}, {"assumed", "four bytes a token, answers as long as allowed"}};
  return out;
}

}  // namespace

Result<Json> dry_run(const RunPlan& plan, const TaskRegistry& registry, const RunOptions& options) {
  Json tasks = Json::array();
  std::map<std::string, Demand> demands;
  std::vector<Json> identities;
  int64_t n_docs = 0, n_bytes = 0, n_new = 0;
  for (const PlannedTask& t : plan.tasks) {
    if (!t.pending.empty()) {
      tasks.push_back({{"task", t.name}, {"pending", t.pending}});
      continue;
    }
    console().progress(fmt::format("reading {}", t.name));
    QEVAL_TRY(auto task, registry.load(t.name, t.overrides));
    QEVAL_TRY(Demand d, demand_of(*task));
    identities.push_back(task->identity());
    tasks.push_back({{"task", t.name}, {"version", task->spec().version}, {"docs", d.n_docs},
                     {"num_fewshot", t.overrides.num_fewshot.value_or(task->spec().num_fewshot)},
                     {"chat_template", t.overrides.apply_chat_template || task->spec().always_chat}, {"requests", d.n_requests},
                     {"turns_at_most", task->max_turns()},
                     {"prompt_tokens_about", std::llround(static_cast<double>(d.n_bytes) / kBytesPerToken)},
                     {"new_tokens_at_most", d.n_new_at_most}, {"data", task->data_note()}});
    n_docs += d.n_docs;
    n_bytes += d.n_bytes;
    n_new += d.n_new_at_most;
    demands[t.name] = d;
  }
  console().progress_done();
  Experience known;
  Json attempt;
  if (file_exists(options.common.store)) {
    QEVAL_TRY(auto store, open_store(options.common.store, {.read_only = true, .create = false}));
    QEVAL_TRY(known, experience(*store, plan, host_environment()));
    if (!plan.fresh) {
      QEVAL_TRY(auto run, earlier_attempt(*store, run_key(plan, identities), demands));
      int64_t n_done = 0;
      for (const auto& [task, d] : demands) n_done += d.n_done;
      if (run) attempt = {{"run", run->id}, {"status", to_string(run->status)}, {"docs_done", n_done}};
    }
  }
  return Json{{"model", plan.model_asked}, {"weights", to_json(plan.weights)}, {"engine", plan.engine},
              {"preset", to_json(plan.preset)}, {"tasks", tasks}, {"docs", n_docs},
              {"prompt_tokens_about", std::llround(static_cast<double>(n_bytes) / kBytesPerToken)},
              {"new_tokens_at_most", n_new}, {"goes_on_with", attempt},
              {"expected", expectation(known, demands, options.common.store)},
              {"store", options.common.store}, {"tracker", options.tracker}};
}

}  // namespace qeval
