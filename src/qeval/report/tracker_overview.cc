#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"
#include "qeval/util/clock.h"
#include "qeval/util/version.h"

namespace qeval {
namespace {

// Of all runs: the newest by its end.
const RunView* newest_run(const TrackerInput& input) {
  const RunView* newest = nullptr;
  for (const RunView& v : input.runs)
    if (!newest || v.when_ms() >= newest->when_ms()) newest = &v;
  return newest;
}

bool has_scores(const RunView& v) {
  return std::any_of(v.tasks.begin(), v.tasks.end(),
                     [](const TaskSummary& t) { return t.primary() && t.primary()->n > 0; });
}

bool is_of(const RunView& v, const ModelSpec& m) {
  std::string hf_id = v.hf_id.empty() ? v.weights.hf_id : v.hf_id;
  return hf_id.empty() ? v.run.model_id == m.id : hf_id == m.hf_id;
}

// By the model's newest run.
std::string model_status(const TrackerInput& input, const ModelSpec& m) {
  std::string status = "⏳ Pending";
  for (const RunView& v : input.runs) {
    if (!is_of(v, m)) continue;
    bool suspect =
        std::any_of(v.tasks.begin(), v.tasks.end(), [](const TaskSummary& t) { return status_text(t) == "⚠️ Suspect"; });
    status = !has_scores(v) ? (status == "⏳ Pending" ? "❌ Failed" : status) : suspect ? "⚠️ Suspect" : "✅ Tested";
  }
  return status;
}

std::string context_text(const ModelSpec& m) {
  if (m.context <= 0) return "";
  auto k = [](int tokens) { return tokens % 1024 == 0 ? fmt::format("{}K", tokens / 1024) : std::to_string(tokens); };
  return m.context_extended > m.context ? fmt::format("{} ({} by YaRN)", k(m.context), k(m.context_extended))
                                        : k(m.context);
}

std::string gpu_text(const RunView& v) {
  std::string gpus;
  const Json& e = v.run.environment;
  if (e.is_object() && e.contains("gpus") && e["gpus"].is_array())
    for (const Json& gpu : e["gpus"]) gpus += (gpus.empty() ? "" : ", ") + json_string(gpu, "name");
  if (!gpus.empty()) return md(gpus + (json_string(e, "driver").empty() ? "" : ", driver " + json_string(e, "driver")));
  std::string cpu = v.device.empty() ? json_string(e, "cpu") : v.device;
  return "none" + (cpu.empty() ? "" : "; ran on " + md(cpu));
}

}  // namespace

std::string overview_section(const TrackerInput& input) {
  std::string out =
      "# Qwen Model Evaluation Tracker\n\n"
      "<!-- qeval:tracker 2: qeval writes this file from its store after each run. Text between the lines qeval:keep "
      "is yours and stays. -->\n\n"
      "## Overview\n\n"
      "Every score here rests on stored answers: `qeval show RUN --task T` reads them, `qeval rescore RUN` scores them "
      "again. A score comes "
      "with the number of samples, its 95 % interval and its protocol; what could not be scored for reasons that are "
      "not the model's is "
      "counted apart, and a score that should not be believed as it stands says so.\n\n";
  const RunView* newest = newest_run(input);
  out += fmt::format("**Last Updated:** {}  \n", newest ? utc_iso(newest->when_ms()) : "no run yet");
  out += fmt::format("**Framework Version:** qeval {}{}  \n", kQevalVersion,
                     newest ? md(fmt::format(", engine {} {}", newest->engine_name, newest->engine_version)) : "");
  out += fmt::format("**GPU Environment:** {}  \n\n", newest ? gpu_text(*newest) : "*unmeasured*");
  return out;
}

std::string models_section(const TrackerInput& input) {
  Table table;
  table.headers = {"Model ID", "Model Name", "HuggingFace ID", "Size", "Context", "License", "Priority", "Status"};
  std::string notes;
  size_t hidden = 0;
  for (const ModelSpec& m : input.models) {
    std::string status = model_status(input, m);
    if (m.priority != "HIGH" && status == "⏳ Pending") {
      ++hidden;
      continue;
    }
    std::string size = m.size_gb > 0 ? fmt::format("{:.1f}GB", m.size_gb) : "";
    table.rows.push_back({m.id, m.name, m.hf_id, size, context_text(m), m.license, m.priority, status});
    if (!m.identity_note.empty())
      notes += fmt::format("- {}: loads {}; {}\n", md_code(m.id), md(m.hf_id), md(m.identity_note));
  }
  std::set<std::string> shown;
  for (size_t i = input.runs.size(); i-- > 0;) {
    const RunView& v = input.runs[i];
    bool known = std::any_of(input.models.begin(), input.models.end(), [&](const ModelSpec& m) { return is_of(v, m); });
    if (known || !shown.insert(v.model_key()).second) continue;
    std::string size =
        v.weights.size_bytes > 0 ? fmt::format("{:.1f}GB", static_cast<double>(v.weights.size_bytes) / 1e9) : "";
    table.rows.push_back({v.run.model_id, v.weights.name, "not in the registry",
                          size + (v.weights.quantization.empty() ? "" : " " + v.weights.quantization), "", "", "",
                          has_scores(v) ? "✅ Tested" : "❌ Failed"});
  }
  std::string out =
      "## Available Qwen Models\n\n" + table.markdown() + "\nSizes of registry rows are those of the BF16 weights.";
  if (hidden > 0) out += fmt::format(" Not shown: {} of lower priority that have not run (`qeval models`).", hidden);
  out += "\n\n";
  if (!notes.empty()) out += "**Ids that mislead:**\n\n" + notes + "\n";
  return out;
}

std::string presets_section(const TrackerInput& input) {
  std::string out = "## Configuration Presets\n\n";
  int n = 0;
  for (const Preset& p : input.presets) {
    out += fmt::format("### {}. **{} Preset**{}\n\n", ++n, md(preset_title(p.name)),
                       p.name == "balanced" ? " (Default)" : "");
    if (!p.focus.empty()) out += fmt::format("- **Focus:** {}\n", md(p.focus));
    out += fmt::format(
        "- **GPU Memory Utilization:** {:.0f}%\n- **Max Sequences:** {}\n- **Batch Size:** {}\n- **Max Length:** {} "
        "tokens, or the model's own\n",
        100 * p.gpu_memory_utilization, p.max_num_seqs, p.evaluation_batch_size, p.max_model_len);
    out += fmt::format("- **Features:** prefix caching {}{}\n\n", p.prefix_caching ? "on" : "off",
                       p.v2_block_manager ? ", V2 block manager (accepted; no longer exists in vLLM)" : "");
  }
  out +=
      "On the embedded engine a preset means the number of sequences and the context; GPU memory utilization acts on "
      "vLLM only. "
      "The batch size is recorded and limits nothing unless `--respect-batch-size` is given.\n\n";
  return out;
}

}  // namespace qeval
