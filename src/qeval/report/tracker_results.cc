#include <fmt/format.h>

#include <set>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

constexpr size_t kExamples = 5;

std::string notes_of(const SubjectRow& row, const RunView* newest) {
  const TaskSummary& t = *row.task;
  std::string out = fmt::format("{} v{}, {}", t.task, t.version, t.protocol);
  if (!t.primary_filter.empty() && t.primary_filter != "none") out += ", " + t.primary_filter;
  if (!t.primary_metric.empty()) out += ", " + t.primary_metric;
  for (const Flag& f : t.flags) {
    if (f.kind == "infrastructure") continue;  // said by the bounds
    out += fmt::format("; {}: {}{}", f.kind, f.reason, f.cause.empty() ? "" : ", likely because " + f.cause);
  }
  if (const MetricSummary* m = t.primary(); m && m->n_infrastructure > 0) out += "; " + bounds_text(*m);
  if (t.published)
    out += fmt::format("; published {} ({}): {}", percent(t.published->published.value), t.published->published.source,
                       t.published->in_line ? "in line" : "out of line");
  if (!t.selfcheck.empty()) out += "; " + t.selfcheck;
  if (!t.sandbox_backend.empty()) out += "; sandbox: " + t.sandbox_backend;
  if (!t.note.empty()) out += "; " + t.note;
  if (std::string pending = pending_text(t, row.view->run.id); !pending.empty()) out += "; " + pending;
  if (newest && row.view != newest) out += fmt::format("; from run {}", row.view->run.id);
  return out;
}

std::string run_state(const RunView& v) {
  switch (v.run.status) {
    case RunStatus::done:
      return "✅ **COMPLETED**";
    case RunStatus::interrupted:
      return "⏳ **INTERRUPTED** (the same command goes on from here)";
    case RunStatus::failed:
      return "❌ **ENDED WITH FAILURES** that are not the model's (the same command tries them again)";
    case RunStatus::running:
      return "⏳ **RUNNING**";
  }
  return "unknown";
}

std::string share_of(int64_t part, int64_t whole) {
  return whole > 0 ? percent(static_cast<double>(part) / static_cast<double>(whole), 0) : "–";
}

std::string utilisation(const std::optional<double>& value) { return value ? percent(*value, 0) : "*unmeasured*"; }

std::string latency_line(const char* what, const std::optional<double>& p50, const std::optional<double>& p95,
                         const std::optional<double>& p99) {
  auto text = [](const std::optional<double>& s) {
    if (!s) return std::string("*unmeasured*");
    return *s < 1 ? fmt::format("{:.1f} ms", 1000 * *s) : fmt::format("{:.2f} s", *s);
  };
  return fmt::format("- **{}:** {} (median), {} (95th percentile), {} (99th)\n", what, text(p50), text(p95), text(p99));
}

std::string system_performance(const Subject& s) {
  std::string out = "##### **System Performance**\n\n";
  if (!s.measured) return out + "*unmeasured*: every answer came from the store.\n\n";
  const RunPerformance& p = s.measured->performance;
  if (s.measured != s.newest)
    out += fmt::format("Of run {}, the newest that decoded anything.\n\n", s.measured->run.id);
  out += fmt::format(
      "- **Throughput:** {} generated, {} in all (prompt and generated tokens decoded, over {:.1f} s of decoding)\n",
      number_or_unmeasured(p.generated_tok_s, "tokens/second"), number_or_unmeasured(p.total_tok_s, "tokens/second"),
      p.decode_busy_s);
  out += fmt::format("- **Tokens:** {} prompt ({} shared with other prompts, not computed again), {} generated\n",
                     p.n_prompt_tokens, share_of(p.n_cached_tokens, p.n_prompt_tokens), p.n_new_tokens);
  out += fmt::format("- **Memory Usage:** process {} at its peak, GPU {}\n", gigabytes_or_unmeasured(p.peak_rss_bytes),
                     gigabytes_or_unmeasured(p.peak_device_bytes));
  out += fmt::format("- **Utilization:** GPU {}, CPU {}\n", utilisation(p.device_utilisation),
                     utilisation(p.cpu_utilisation));
  if (p.stream_tok_s) out += fmt::format("- **Per Stream:** {} (median)\n", number_or_unmeasured(p.stream_tok_s, "tokens/second"));
  out += latency_line("First Token", p.ttft_p50_s, p.ttft_p95_s, p.ttft_p99_s);
  out += latency_line("Between Tokens", p.itl_p50_s, p.itl_p95_s, p.itl_p99_s);
  out += latency_line("Whole Answer", p.e2e_p50_s, p.e2e_p95_s, p.e2e_p99_s);
  out += serving_lines(p);
  out += fmt::format(
      "- **Wall Time:** {:.1f} s for {} answers{}\n\n", p.wall_s, p.n_responses,
      p.n_reused > 0 ? fmt::format("; {} more came from the store and count in none of these", p.n_reused) : "");
  return out;
}

std::string memory_analysis(const Subject& s) {
  RunPerformance p = s.measured ? s.measured->performance : RunPerformance{};
  std::string device = gigabytes_or_unmeasured(p.peak_device_bytes);
  if (p.peak_device_bytes && p.device_total_bytes && *p.device_total_bytes > 0)
    device +=
        fmt::format(" used ({} of {})",
                    percent(static_cast<double>(*p.peak_device_bytes) / static_cast<double>(*p.device_total_bytes)),
                    gigabytes_or_unmeasured(p.device_total_bytes));
  std::string out = "##### **Memory Analysis**\n\n";
  out += fmt::format("- **GPU Memory:** {}\n- **CPU Memory:** {} (peak of the process)\n", device,
                     gigabytes_or_unmeasured(p.peak_rss_bytes));
  out += fmt::format("- **Of it:** weights {}, KV cache {}, compute buffers {}\n\n",
                     gigabytes_or_unmeasured(p.model_bytes), gigabytes_or_unmeasured(p.kv_bytes),
                     gigabytes_or_unmeasured(p.compute_bytes));
  return out;
}

Json object_at(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) ? json[key] : Json();
}

std::string configuration(const Subject& s) {
  const RunView& v = *s.newest;
  Json json = object_at(v.run.spec, "preset");
  if (!json.is_object()) json = {{"preset", v.run.preset}};
  json["engine"] = object_at(v.run.environment, "engine");
  if (!json["engine"].is_object()) json["engine"] = object_at(v.run.spec, "engine");
  json["weights"] = to_json(v.weights);
  json["arguments"] = object_at(v.run.spec, "arguments");
  // Indented JSON has no line that could end the fence: line breaks inside strings are escaped.
  return "##### **Configuration Used**\n\n```json\n" + dump_json(json, 2) + "\n```\n\n";
}

std::string subject_section(const Subject& s) {
  const RunView& v = *s.newest;
  std::string out =
      fmt::format("#### **{} Preset Evaluation ({})**\n\n", md(preset_title(v.run.preset)), day_of(v.when_ms()));
  out += fmt::format("{}: run {}{}, engine {}{}\n\n", run_state(v), v.run.id,
                     v.run.suite.empty() ? "" : ", suite " + md(v.run.suite),
                     md(v.engine_name + (v.engine_version.empty() ? "" : " " + v.engine_version)),
                     v.device.empty() ? "" : " on " + md(v.device));
  if (s.runs.size() > 1) {
    std::string earlier;
    for (size_t i = 0; i + 1 < s.runs.size(); ++i)
      earlier +=
          fmt::format("{}run {} ({})", earlier.empty() ? "" : ", ", s.runs[i]->run.id, day_of(s.runs[i]->when_ms()));
    out += "Earlier under the same configuration: " + earlier +
           ". Each row below is the newest that scored at least as many samples as those before it.\n\n";
  }
  out += system_performance(s);
  out += "##### **Dataset Evaluation Results**\n\n" + dataset_table(s, true) + "\n";
  out += function_calling_section(s) + agent_workflows(s) + thinking_section(s);
  out += "##### **Technical Issues Identified**\n\n" + issues_identified(s, true) + "\n";
  return out + memory_analysis(s) + configuration(s);
}

std::string identity_lines(const TrackerInput& input, const ModelGroup& group) {
  const RunView& v = *group.newest;
  std::string out = fmt::format("**Weights:** {}", md(v.weights.name.empty() ? v.weights_name() : v.weights.name));
  if (v.weights.params_b > 0) out += fmt::format(", {:.3g} B parameters", v.weights.params_b);
  if (!v.weights.sha256.empty()) out += ", SHA-256 " + md_code(v.weights.sha256.substr(0, 16));
  out += v.weights.verified ? " (verified)\n\n" : " (declared by the server, not verified)\n\n";
  for (const ModelSpec* m : specs_of(input, v))
    if (!m->identity_note.empty()) out += fmt::format("> {}: {}\n\n", md_code(m->id), md(m->identity_note));
  return out;
}

std::string imported_rows(const Json& imported) {
  Table table;
  table.headers = {"Model", "Preset", "Dataset", "Samples", "Score", "Status then", "Notes then"};
  table.aligns = {Align::left, Align::left, Align::left, Align::right, Align::right, Align::left, Align::left};
  if (imported.contains("scores") && imported["scores"].is_array())
    for (const Json& s : imported["scores"])
      table.rows.push_back({json_string(s, "model"), json_string(s, "preset"), json_string(s, "dataset"),
                            std::to_string(json_int(s, "samples")), percent(json_number(s, "value")),
                            json_string(s, "status"), json_string(s, "notes")});
  return "### Imported From the First Tracker (historic, unverified)\n\nNo answers are stored for these rows: they "
         "cannot be checked or scored again, and "
         "are compared with nothing.\n\n" +
         table.markdown() + "\n";
}

}  // namespace

std::string dataset_table(const Subject& s, bool with_runs) {
  Table table;
  table.headers = {"Dataset", "Task Type", "Samples", "Score", "95 % interval", "Status", "Notes"};
  table.aligns = {Align::left, Align::left, Align::right, Align::right, Align::left, Align::left, Align::left};
  for (const SubjectRow& row : s.rows) {
    const MetricSummary* m = row.task ? row.task->primary() : nullptr;
    if (!row.task) {
      table.rows.push_back({row.title, "", "0", "*unmeasured*", "", "⏳ Pending", row.pending});
      continue;
    }
    const TaskFacts* facts = row.view->facts_of(row.task->task);
    std::string samples = std::to_string(m ? m->n : 0);
    if (facts && facts->n_docs_total > (m ? m->n : 0)) samples += fmt::format(" of {}", facts->n_docs_total);
    table.rows.push_back({row.title, row.task->category, samples, m && m->n > 0 ? score_text(*m) : "*unmeasured*",
                          m && m->n > 0 ? interval_text(*m) : "", status_text(*row.task),
                          notes_of(row, with_runs ? s.newest : nullptr)});
  }
  std::string out = table.markdown();
  // The one cell text that is markup of ours; everything else stays escaped.
  for (size_t at = 0; (at = out.find("\\*unmeasured\\*", at)) != std::string::npos;)
    out.replace(at, 14, "*unmeasured*  ");
  return out;
}

std::string issues_identified(const Subject& s, bool with_runs) {
  std::string out;
  int n = 0;
  for (const SubjectRow& row : s.rows) {
    if (!row.task) continue;
    auto it = row.task->classes.find(row.task->primary_filter);
    if (it == row.task->classes.end()) continue;
    for (const ClassCount& c : it->second) {
      if (c.failure_class == FailureClass::correct || c.failure_class == FailureClass::wrong_answer || c.n == 0)
        continue;
      std::string examples;
      for (size_t i = 0; i < c.example_doc_ids.size() && i < kExamples; ++i)
        examples += fmt::format("{}{}", i ? ", " : "", c.example_doc_ids[i]);
      out += fmt::format("{}. **{}:** {} in {} of {} answers{}", ++n, md(row.title), class_text(c.failure_class), c.n,
                         row.task->n_docs, examples.empty() ? "" : " (doc ids " + examples + ")");
      if (with_runs)
        out += fmt::format(": {}", md_code(fmt::format("qeval show {} --task {} --class {}", row.view->run.id,
                                                       row.task->task, to_string(c.failure_class))));
      out += "\n";
    }
  }
  return out.empty() ? "None: every answer is right or wrong by its content.\n" : out;
}

std::string results_section(const TrackerInput& input, const std::vector<ModelGroup>& groups) {
  std::string out = "## Evaluation Results\n\n";
  for (const ModelGroup& group : groups) {
    out += fmt::format("### {}\n\n", md(group.newest->model_label())) + identity_lines(input, group);
    std::set<std::string> ran;
    for (const Subject& s : group.subjects) {
      out += subject_section(s) + "---\n\n";
      ran.insert(s.newest->run.preset);
    }
    for (const Preset& p : input.presets)
      if (!ran.contains(p.name))
        out += fmt::format("#### **{} Preset Evaluation**\n\n**Status:** ⏳ Pending\n\n", md(preset_title(p.name)));
  }
  if (groups.empty()) out += "No run yet.\n\n";
  if (input.imported.is_object()) out += imported_rows(input.imported);
  return out;
}

}  // namespace qeval
