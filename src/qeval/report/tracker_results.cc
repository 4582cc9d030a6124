#include <fmt/format.h>

#include <map>
#include <set>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

std::string day(int64_t ms) { return ms > 0 ? utc_iso(ms).substr(0, 10) : "unknown"; }

std::string notes_of(const TaskSummary& t) {
  std::string out = t.protocol;
  if (!t.primary_filter.empty() && t.primary_filter != "none") out += ", " + t.primary_filter;
  if (!t.primary_metric.empty()) out += ", " + t.primary_metric;
  for (const Flag& f : t.flags) out += fmt::format("; {}: {}{}", f.kind, f.reason, f.cause.empty() ? "" : " – " + f.cause);
  if (const MetricSummary* m = t.primary(); m && !bounds_text(*m).empty()) out += "; " + bounds_text(*m);
  if (t.published)
    out += fmt::format("; published {} ({}), {}", percent(t.published->published.value), t.published->published.source,
                       t.published->in_line ? "in line" : "out of line");
  if (!t.sandbox_backend.empty()) out += "; sandbox: " + t.sandbox_backend;
  if (!t.note.empty()) out += "; " + t.note;
  return out;
}

std::string run_status(const RunView& v) {
  switch (v.run.status) {
    case RunStatus::done: return "✅ COMPLETED";
    case RunStatus::interrupted: return "⏸️ INTERRUPTED (the same command goes on)";
    case RunStatus::failed: return "⚠️ FINISHED WITH INFRASTRUCTURE FAILURES";
    case RunStatus::running: return "▶️ RUNNING";
  }
  return "unknown";
}

std::string system_performance(const RunView& v) {
  const RunPerformance& p = v.performance;
  std::string out = "##### System Performance\n\n";
  out += fmt::format("- **Throughput:** {} generated, {} in all (decoded tokens over decoding time)\n",
                     number_or_unmeasured(p.generated_tok_s, "tok/s"), number_or_unmeasured(p.total_tok_s, "tok/s"));
  out += fmt::format("- **Tokens:** {} prompt ({} shared or cached), {} generated, {} decoded in {} batches\n", p.n_prompt_tokens,
                     p.n_cached_tokens, p.n_new_tokens, p.n_decoded_tokens, p.n_batches);
  out += fmt::format("- **Time to first token:** p50 {}, p95 {}\n", number_or_unmeasured(p.ttft_p50_s, "s"), number_or_unmeasured(p.ttft_p95_s, "s"));
  out += fmt::format("- **Wall time:** {:.1f} s\n", p.wall_s);
  out += fmt::format("- **CPU utilisation:** {}\n", p.cpu_utilisation ? percent(*p.cpu_utilisation, 0) : "*unmeasured*");
  out += fmt::format("- **GPU utilisation:** {}\n", p.device_utilisation ? percent(*p.device_utilisation, 0) : "*unmeasured*");
  if (p.n_reused > 0) out += fmt::format("- {} responses came from the store and count in none of these\n", p.n_reused);
  return out + "\n";
}

std::string memory_analysis(const RunView& v) {
  const RunPerformance& p = v.performance;
  std::string gpu = gigabytes_or_unmeasured(p.peak_device_bytes);
  if (p.peak_device_bytes && p.device_total_bytes && *p.device_total_bytes > 0)
    gpu += fmt::format(" ({} of the device)", percent(static_cast<double>(*p.peak_device_bytes) / static_cast<double>(*p.device_total_bytes)));
  return fmt::format("##### Memory Analysis\n\n- GPU memory: {}\n- Process, peak: {}\n- Weights: {}\n- KV cache: {}\n- Compute buffers: {}\n\n",
                     gpu, gigabytes_or_unmeasured(p.peak_rss_bytes), gigabytes_or_unmeasured(p.model_bytes),
                     gigabytes_or_unmeasured(p.kv_bytes), gigabytes_or_unmeasured(p.compute_bytes));
}

std::string issues_identified(const RunView& v) {
  std::string out;
  int n = 0;
  for (const TaskSummary& t : v.tasks) {
    auto it = t.classes.find(t.primary_filter);
    if (it == t.classes.end()) continue;
    for (const ClassCount& c : it->second) {
      bool content = c.failure_class == FailureClass::correct || c.failure_class == FailureClass::wrong_answer;
      if (content) continue;
      std::string examples;
      for (int64_t id : c.example_doc_ids) examples += fmt::format("{}{}", examples.empty() ? "" : ", ", id);
      out += fmt::format("{}. **{}:** {} of {} {} (docs {})\n", ++n, escape_markdown_cell(t.title), c.n, t.n_docs,
                         to_string(c.failure_class), examples);
    }
  }
  return "##### Technical Issues Identified\n\n" + (out.empty() ? "None: every answer was right or wrong in content.\n" : out) + "\n";
}

std::string configuration(const RunView& v) {
  Json json = v.run.spec.is_object() && v.run.spec.contains("preset") ? v.run.spec["preset"] : Json::object();
  json["weights_sha256"] = v.weights.sha256;
  json["weights_verified"] = v.weights.verified;
  json["quantization"] = v.weights.quantization;
  if (v.run.environment.is_object() && v.run.environment.contains("engine")) json["engine"] = v.run.environment["engine"];
  return "##### Configuration Used\n\n```json\n" + dump_json(json, 2) + "\n```\n\n";
}

std::string run_section(const RunView& v) {
  std::string out = fmt::format("#### {} Preset Evaluation · {} {} · run {} ({})\n\n**{}**\n\n", v.run.preset,
                                v.engine_name, escape_markdown_cell(v.weights.quantization), v.run.id, day(v.run.ended_ms ? v.run.ended_ms : v.run.started_ms), run_status(v));
  out += system_performance(v);
  out += "##### Dataset Evaluation Results\n\n" + dataset_table(v) + "\n";
  bool calls = false;
  for (const TaskSummary& t : v.tasks) calls = calls || t.category == "Function Calling";
  if (!calls) out += "##### Function Calling Test\n\n- **Status:** ⏳ PENDING: no function-calling task ran\n\n";
  return out + issues_identified(v) + memory_analysis(v) + configuration(v);
}

}  // namespace

std::string dataset_table(const RunView& v) {
  Table table;
  table.headers = {"Dataset", "Task Type", "Samples", "Score", "95 % interval", "Status", "Notes"};
  table.aligns = {Align::left, Align::left, Align::right, Align::right, Align::left, Align::left, Align::left};
  for (const TaskSummary& t : v.tasks) {
    const MetricSummary* m = t.primary();
    table.rows.push_back({t.row.empty() ? t.title : t.row, t.category, std::to_string(m ? m->n : 0), m ? score_text(*m) : "–",
                          m ? interval_text(*m) : "", status_text(t), notes_of(t)});
  }
  for (const PendingRow& p : v.pending) table.rows.push_back({p.row.empty() ? p.task : p.row, "", "", "", "", "⏳ PENDING", p.reason});
  return table.markdown();
}

std::string results_sections(const TrackerInput& input) {
  std::map<std::string, std::vector<const RunView*>> by_weights;
  std::vector<std::string> order;
  for (const RunView& v : input.runs) {
    std::string name = v.weights_name();
    if (!by_weights.count(name)) order.push_back(name);
    by_weights[name].push_back(&v);
  }
  std::string out;
  for (const std::string& name : order) {
    out += fmt::format("### {}\n\n", escape_markdown_cell(name));
    for (const ModelSpec& m : input.models)
      if (m.hf_id == name && !m.identity_note.empty()) out += fmt::format("> `{}`: {}\n\n", m.id, escape_markdown_cell(m.identity_note));
    std::set<std::string> done;
    for (const RunView* v : by_weights[name]) {
      out += run_section(*v);
      done.insert(v->run.preset);
    }
    for (const Preset& p : input.presets)
      if (!done.count(p.name)) out += fmt::format("#### {} Preset Evaluation\n\n**Status:** ⏳ NOT YET TESTED\n\n", p.name);
  }
  if (input.imported.is_object()) {
    Table table;
    table.headers = {"Model", "Preset", "Dataset", "Samples", "Score", "Notes"};
    for (const Json& s : input.imported["scores"])
      table.rows.push_back({json_string(s, "model"), json_string(s, "preset"), json_string(s, "dataset"), std::to_string(json_int(s, "samples")),
                            percent(json_number(s, "value")), json_string(s, "notes")});
    out += "### Imported from the first tracker (historic, unverified)\n\nNo answers are stored for these rows; they cannot be checked or scored again.\n\n" + table.markdown() + "\n";
  }
  return out.empty() ? "No run yet.\n\n" : out;
}

}  // namespace qeval
