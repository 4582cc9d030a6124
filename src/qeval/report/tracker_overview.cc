#include <fmt/format.h>

#include <set>

#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

bool tested(const TrackerInput& input, const ModelSpec& m, const std::string& preset = "") {
  for (const RunView& v : input.runs) {
    if (v.run.status != RunStatus::done) continue;
    if ((v.hf_id == m.hf_id || v.run.model_id == m.id) && (preset.empty() || v.run.preset == preset)) return true;
  }
  return false;
}

// The table would drown in sixty rows: what has run, and what matters most.
bool shown(const TrackerInput& input, const ModelSpec& m) { return m.priority == "HIGH" || tested(input, m); }

std::string context_text(const ModelSpec& m) {
  std::string text = fmt::format("{}K", m.context / 1024);
  return m.context_extended > m.context ? fmt::format("{} ({}K by YaRN)", text, m.context_extended / 1024) : text;
}

}  // namespace

std::string models_section(const TrackerInput& input) {
  Table table;
  table.headers = {"Model ID", "Model Name", "HuggingFace ID", "Size", "Context", "License", "Priority", "Status"};
  std::string notes;
  size_t hidden = 0;
  for (const ModelSpec& m : input.models) {
    if (!shown(input, m)) {
      ++hidden;
      continue;
    }
    table.rows.push_back({m.id, m.name, m.hf_id, fmt::format("{:.1f}GB", m.size_gb), context_text(m), m.license, m.priority,
                          tested(input, m) ? "✅ Tested" : "⏳ Pending"});
    if (!m.identity_note.empty()) notes += fmt::format("- `{}`: {}\n", m.id, escape_markdown_cell(m.identity_note));
  }
  std::set<std::string> known;
  for (const ModelSpec& m : input.models) known.insert(m.hf_id);
  for (const RunView& v : input.runs) {
    if (!known.insert(v.weights_name()).second) continue;
    table.rows.push_back({v.run.model_id, v.weights.name, v.hf_id.empty() ? "not in the registry" : v.hf_id,
                          fmt::format("{:.1f}GB", static_cast<double>(v.weights.size_bytes) / 1e9), "", "", "", "✅ Tested"});
  }
  std::string out = "## Available Qwen Models\n\n" + table.markdown() + "\n";
  if (!notes.empty()) out += "What these ids load:\n\n" + notes + "\n";
  if (hidden > 0) out += fmt::format("{} more rows of the registry have not run: `qeval models`.\n\n", hidden);
  return out;
}

std::string presets_section(const TrackerInput& input) {
  Table table;
  table.headers = {"Preset", "Focus", "GPU Memory Utilization", "Max Sequences", "Batch Size", "Prefix caching", "Max length"};
  for (const Preset& p : input.presets)
    table.rows.push_back({p.name, p.focus, fmt::format("{:.0f}%", 100 * p.gpu_memory_utilization), std::to_string(p.max_num_seqs),
                          std::to_string(p.evaluation_batch_size), p.prefix_caching ? "on" : "off", std::to_string(p.max_model_len)});
  return "## Configuration Presets\n\n" + table.markdown() +
         "\nOn the embedded engine a preset sets the number of sequences and the context; GPU memory utilisation acts on vLLM only.\n\n";
}

std::string upcoming_section(const TrackerInput& input) {
  std::string out;
  for (const ModelSpec& m : input.models) {
    if (!shown(input, m)) continue;
    std::string missing;
    for (const Preset& p : input.presets)
      if (!tested(input, m, p.name)) missing += (missing.empty() ? "" : ", ") + p.name;
    if (!missing.empty()) out += fmt::format("- [ ] `{}`: {}\n", m.id, missing);
  }
  std::set<std::string> rows;
  for (const RunView& v : input.runs)
    for (const PendingRow& p : v.pending) rows.insert(fmt::format("- [ ] {}: {}\n", p.row.empty() ? p.task : p.row, p.reason));
  for (const std::string& row : rows) out += row;
  return out.empty() ? "Nothing is missing.\n\n" : out + "\n";
}

}  // namespace qeval
