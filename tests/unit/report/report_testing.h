#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "qeval/report/run_view.h"
#include "qeval/report/tracker.h"
#include "qeval/stats/intervals.h"

// Hand-made runs: what a store would give after evaluations that never happened.
namespace qeval::testing_runs {

inline constexpr int64_t kDay = 86400000, kStart = 1795564800000;  // 2026-11-25T00:00:00Z

struct Classes {
  FailureClass failure_class;
  int64_t n;
};

inline MetricSummary share(const std::string& metric, const std::string& filter, int64_t right, int64_t n,
                           int64_t broken = 0) {
  MetricSummary m;
  m.metric = metric;
  m.filter = filter;
  double p = n > 0 ? static_cast<double>(right) / static_cast<double>(n) : std::numeric_limits<double>::quiet_NaN();
  m.value = p;
  m.stderr_value =
      n > 1 ? std::sqrt(p * (1 - p) / static_cast<double>(n - 1)) : std::numeric_limits<double>::quiet_NaN();
  Interval interval = wilson_interval(right, n);
  m.low = interval.low;
  m.high = interval.high;
  m.n = n;
  m.n_infrastructure = broken;
  m.bound_low = static_cast<double>(right) / static_cast<double>(n + broken);
  m.bound_high = static_cast<double>(right + broken) / static_cast<double>(n + broken);
  m.is_proportion = true;
  return m;
}

inline TaskSummary task(const std::string& name, const std::string& title, const std::string& category, int64_t right,
                        int64_t n, const std::vector<Classes>& classes = {}) {
  TaskSummary t;
  t.task = name;
  t.version = "1.0";
  t.title = title;
  t.category = category;
  t.row = title;
  t.protocol = "0-shot, raw, log-likelihood";
  t.primary_metric = "acc";
  t.primary_filter = "none";
  t.metrics = {share("acc", "none", right, n)};
  t.n_docs = n;
  auto& counts = t.classes["none"];
  if (right > 0) counts.push_back({FailureClass::correct, right, {0, 1}});
  int64_t next = right;
  for (const Classes& c : classes) {
    counts.push_back({c.failure_class, c.n, {next, next + 1, next + 2}});
    next += c.n;
  }
  return t;
}

// Doc i of `n` is right where it is below `right`, moved on by `shift`: pairs that agree or not as wanted.
inline void add_items(RunView& view, const std::string& name, int64_t right, int64_t n, int64_t shift = 0,
                      const std::string& protocol = "p1") {
  TaskFacts& facts = view.facts[name];
  facts.protocol_hash = protocol;
  facts.n_docs_total = 1319;
  facts.items.clear();
  for (int64_t i = 0; i < n; ++i) facts.items.emplace_back(i, (i + n - shift) % n < right ? 1.0 : 0.0);
}

inline RunView run(RunId id, const std::string& preset, double params_b = 0.494) {
  RunRecord r;
  r.id = id;
  r.run_key = "key";
  bool small = params_b < 1;
  r.model_id = small ? "qwen2.5-0.5b-instruct" : "qwen3_8b";
  r.weights_key = small ? "aa11" : "bb22";
  r.engine = "llama";
  r.preset = preset;
  r.suite = "tracker";
  r.status = RunStatus::done;
  r.started_ms = kStart + id * kDay;
  r.ended_ms = r.started_ms + 600000;
  WeightsIdentity w;
  w.hf_id = small ? "Qwen/Qwen2.5-0.5B-Instruct" : "Qwen/Qwen2.5-7B-Instruct";
  w.name = small ? "qwen2.5-0.5b-instruct" : "Qwen2.5 7B Instruct";
  w.source = "hf:" + w.hf_id + "-GGUF:Q8_0";
  w.sha256 = small ? "aa11aa11aa11aa11aa11" : "bb22bb22bb22bb22bb22";
  w.quantization = "Q8_0";
  w.size_bytes = 675000000;
  w.params_b = params_b;
  w.verified = true;
  Preset p;
  p.name = preset;
  r.spec = {{"model", r.model_id},
            {"hf_id", w.hf_id},
            {"weights", to_json(w)},
            {"engine", {{"name", "llama"}, {"version", "b7063"}}},
            {"preset", to_json(p)},
            {"suite", "tracker"},
            {"arguments", {{"model", r.model_id}, {"limit", 100}, {"seed", 1234}, {"gen_kwargs", ""}}},
            {"pending", Json::array({{{"task", "mt_bench"}, {"row", "MT-Bench"}, {"reason", "needs a judge model"}},
                                     {{"task", "function_calling"},
                                      {"row", "Function Calling"},
                                      {"reason", "the BFCL scorer is not built yet"}}})}};
  r.environment = {{"os", "Debian GNU/Linux 12 (bookworm)"},
                   {"cpu", "Example CPU @ 2.1 GHz"},
                   {"cores", 2},
                   {"memory_bytes", 25000000000},
                   {"gpus", Json::array()},
                   {"engine",
                    {{"name", "llama"},
                     {"version", "b7063"},
                     {"build", "AVX2"},
                     {"device", "CPU (Example CPU)"},
                     {"settings", {{"n_seq", 16}}},
                     {"notes", Json::array()}}},
                   {"weights", to_json(w)}};
  RunPerformance perf;
  perf.wall_s = 600;
  perf.decode_busy_s = 400;
  perf.n_responses = 700;
  perf.n_prompt_tokens = 90000;
  perf.n_cached_tokens = 45000;
  perf.n_new_tokens = 12000;
  perf.n_decoded_tokens = 57000;
  perf.n_batches = 900;
  perf.batch_fill = 0.97;
  if (!small) perf.slot_use = 0.99;
  perf.generated_tok_s = small ? 30.0 : 4.0;
  perf.total_tok_s = 142.5;
  perf.peak_rss_bytes = 1250000000;
  r.performance = to_json(perf);
  return view_of(r, std::vector<TaskSummary>{});
}

inline std::vector<ModelSpec> models() {
  std::vector<ModelSpec> out(4);
  out[0].id = "qwen3_8b";
  out[0].name = "Qwen-3 8B Instruct";
  out[0].hf_id = "Qwen/Qwen2.5-7B-Instruct";
  out[0].identity_note = "the id of the first tracker; the weights are Qwen2.5-7B-Instruct, not a Qwen3";
  out[1].id = "qwen3_14b";
  out[1].name = "Qwen-3 14B Instruct";
  out[1].hf_id = "Qwen/Qwen2.5-14B-Instruct";
  out[1].identity_note = "the id of the first tracker; the weights are Qwen2.5-14B-Instruct, not a Qwen3";
  out[2].id = "qwen2.5-0.5b-instruct";
  out[2].name = "Qwen2.5 0.5B Instruct";
  out[2].hf_id = "Qwen/Qwen2.5-0.5B-Instruct";
  out[3].id = "qwen2.5-1.5b";
  out[3].name = "Qwen2.5 1.5B";
  out[3].hf_id = "Qwen/Qwen2.5-1.5B";
  for (ModelSpec& m : out) {
    m.license = "Apache-2.0";
    m.priority = m.id.starts_with("qwen3") ? "HIGH" : "LOW";
    m.size_gb = 15.23;
    m.context = 32768;
    m.context_extended = 131072;
  }
  return out;
}

inline std::vector<Preset> presets() {
  std::vector<Preset> out(3);
  out[0].name = "performance";
  out[0].focus = "Maximum throughput and speed";
  out[0].gpu_memory_utilization = 0.9;
  out[0].max_num_seqs = 128;
  out[0].evaluation_batch_size = 16;
  out[0].v2_block_manager = true;
  out[1].name = "balanced";
  out[1].focus = "Optimal balance of speed and memory efficiency";
  out[2].name = "memory_optimized";
  out[2].focus = "Minimal memory footprint";
  out[2].prefix_caching = false;
  return out;
}

// Four runs: a small model twice under one preset, once under another, and a larger one.
inline TrackerInput sample_input() {
  TrackerInput input;
  input.models = models();
  input.presets = presets();
  RunView first = run(1, "balanced"), second = run(2, "balanced"), fast = run(3, "performance"),
          large = run(4, "balanced", 7.62);
  for (RunView* v : {&first, &second, &fast, &large}) {
    int64_t right = v == &large ? 85 : v == &first ? 30 : 33;
    TaskSummary gsm =
        task("gsm8k_cot_zeroshot", "GSM8K", "Math Reasoning", right, 100,
             {{FailureClass::wrong_answer, 60 - right / 2}, {FailureClass::truncated, 40 - right + right / 2}});
    gsm.protocol = "0-shot, chat template, generated";
    gsm.chat_template = true;
    if (v == &large) gsm.classes["none"] = {{FailureClass::correct, 85, {0}}, {FailureClass::wrong_answer, 15, {3}}};
    TaskSummary arc = task("arc_challenge", "ARC Challenge", "Scientific Reasoning", v == &large ? 55 : 38, 100,
                           {{FailureClass::wrong_answer, v == &large ? 45 : 62}});
    v->tasks = {gsm, arc};
    add_items(*v, "gsm8k_cot_zeroshot", right, 100, v == &fast ? 2 : 0);
    add_items(*v, "arc_challenge", v == &large ? 55 : 38, 100);
  }
  TaskSummary code = task(
      "humaneval_instruct", "HumanEval", "Code Generation", 0, 97,
      {{FailureClass::unterminated_string, 61}, {FailureClass::test_failed, 36}, {FailureClass::sandbox_failure, 3}});
  code.metrics = {share("acc", "none", 0, 97, 3)};
  code.n_docs = 100;
  code.n_infrastructure = 3;
  code.sandbox_backend = "bubblewrap";
  code.flags = {
      {"suspect", "interval reaches chance (0.0 %)", "61 of 97 answers end in an unterminated string literal"},
      {"infrastructure", "3 of 100 not scored", "sandbox failure"}};
  second.tasks.push_back(code);
  add_items(second, "humaneval_instruct", 0, 97);
  TaskSummary hella =
      task("hellaswag", "HellaSwag", "Commonsense Reasoning", 48, 100, {{FailureClass::wrong_answer, 52}});
  hella.published = PublishedMatch{};
  hella.published->published.value = 0.5;
  hella.published->published.source = "a technical report";
  first.tasks.push_back(hella);
  add_items(first, "hellaswag", 48, 100);
  input.runs = {first, second, fast, large};
  return input;
}

}  // namespace qeval::testing_runs
