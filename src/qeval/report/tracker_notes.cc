#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"

namespace qeval {
namespace {

// Lines in order of first appearance, each once.
class Lines {
 public:
  void add(const std::string& line) {
    if (seen_.insert(line).second) text_ += "- " + line + "\n";
  }
  std::string text(const char* none) const { return (text_.empty() ? std::string(none) + "\n" : text_) + "\n"; }

 private:
  std::set<std::string> seen_;
  std::string text_;
};

void add_missing_rows(const Subject& s, Lines& lines) {
  std::string missing;
  for (const SubjectRow& row : s.rows)
    if (!row.task && row.pending == "not run under this preset") missing += (missing.empty() ? "" : ", ") + row.title;
  if (!missing.empty()) lines.add(fmt::format("[ ] {}: {}", md(s.label()), md(missing)));
  for (const RunView* v : s.runs)
    if (v == s.newest && v->run.status == RunStatus::interrupted)
      lines.add(fmt::format("[ ] {}: run {} was interrupted; the same command goes on", md(s.label()), v->run.id));
}

void add_missing_presets(const TrackerInput& input, const ModelGroup& group, Lines& lines) {
  std::string missing;
  for (const Preset& p : input.presets) {
    bool ran = std::any_of(group.subjects.begin(), group.subjects.end(),
                           [&](const Subject& s) { return s.newest->run.preset == p.name; });
    if (!ran) missing += (missing.empty() ? "" : ", ") + p.name;
  }
  if (!missing.empty()) lines.add(fmt::format("[ ] {}: presets {}", md(group.newest->model_label()), md(missing)));
}

std::string environment_line(const Json& e, const char* key) { return md(json_string(e, key)); }

std::string gigabytes(const Json& e, const char* key) {
  int64_t bytes = json_int(e, key);
  return bytes > 0 ? fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9) : "";
}

}  // namespace

std::string upcoming_section(const TrackerInput& input, const std::vector<ModelGroup>& groups) {
  Lines fix, finish, begin, later;
  std::set<std::string> ran;
  for (const ModelGroup& group : groups) {
    for (const Subject& s : group.subjects) {
      for (const SubjectRow& row : s.rows) {
        if (row.task)
          for (const Flag& f : row.task->flags)
            fix.add(fmt::format("[ ] {} of {}: {}", md(row.title), md(s.label()),
                                md(f.cause.empty() ? f.reason : f.cause)));
        else if (row.pending != "not run under this preset")
          later.add(fmt::format("[ ] {}: {}", md(row.title), md(row.pending)));
      }
      for (const RunView* v : s.runs)
        for (const PendingRow& p : v->pending)
          later.add(fmt::format("[ ] {}: {}", md(p.row.empty() ? p.task : p.row), md(p.reason)));
      add_missing_rows(s, finish);
    }
    add_missing_presets(input, group, finish);
    for (const ModelSpec* m : specs_of(input, *group.newest)) ran.insert(m->hf_id);
  }
  for (const ModelSpec& m : input.models)
    if (m.priority == "HIGH" && !ran.contains(m.hf_id))
      begin.add(fmt::format("[ ] {} ({}): all presets", md_code(m.id), md(m.hf_id)));
  return "## Upcoming Evaluations\n\n### **Phase 1: Fix Current Issues (Priority: HIGH)**\n\n" +
         fix.text("Nothing is suspect.") + "### **Phase 2: Complete What Has Begun**\n\n" +
         finish.text("Every model that ran has all presets and datasets.") +
         "### **Phase 3: Models of HIGH Priority That Have Not Run**\n\n" + begin.text("All have run.") +
         "### **Phase 4: Advanced Testing**\n\n" +
         later.text("Nothing waits for a part of qeval that is not built yet.");
}

std::string environment_section(const TrackerInput& input) {
  std::string out = "### **Environment Setup**\n\n";
  std::set<std::string> engines, machines, sandboxes;
  for (const RunView& v : input.runs) {
    const Json& e = v.run.environment;
    std::string build = e.is_object() && e.contains("engine") ? json_string(e["engine"], "build") : "";
    engines.insert(md(v.engine_name + (v.engine_version.empty() ? "" : " " + v.engine_version) +
                      (build.empty() ? "" : " (" + build + ")")));
    std::string gpus;
    if (e.is_object() && e.contains("gpus") && e["gpus"].is_array())
      for (const Json& gpu : e["gpus"]) gpus += (gpus.empty() ? "" : ", ") + json_string(gpu, "name");
    std::string machine = gpus.empty() ? "no GPU" : md(gpus) + ", driver " + environment_line(e, "driver");
    if (!environment_line(e, "cpu").empty())
      machine += fmt::format("; {}, {} cores", environment_line(e, "cpu"), json_int(e, "cores"));
    if (!gigabytes(e, "memory_bytes").empty()) machine += ", " + gigabytes(e, "memory_bytes") + " memory";
    if (!environment_line(e, "os").empty()) machine += "; " + environment_line(e, "os");
    machines.insert(machine);
    for (const TaskSummary& t : v.tasks)
      if (!t.sandbox_backend.empty()) sandboxes.insert(md(t.sandbox_backend));
  }
  if (input.runs.empty()) return out + "No run yet.\n\n";
  for (const std::string& machine : machines) out += "- **Machine:** " + machine + "\n";
  for (const std::string& engine : engines) out += "- **Engine:** " + engine + "\n";
  for (const std::string& sandbox : sandboxes) out += "- **Sandbox of code tasks:** " + sandbox + "\n";
  return out + "\n";
}

std::string known_issues_section(const TrackerInput& input, const std::vector<const Subject*>& subjects) {
  Lines lines;
  for (const Subject* s : subjects) {
    for (const SubjectRow& row : s->rows) {
      if (!row.task) continue;
      for (const Flag& f : row.task->flags)
        lines.add(fmt::format("**{} of {}:** {}: {}{}", md(row.title), md(s->label()), md(f.kind), md(f.reason),
                              f.cause.empty() ? "" : "; likely cause: " + md(f.cause)));
    }
    const RunView& v = *s->newest;
    if (!v.weights.verified)
      lines.add(fmt::format("**{}:** the weights are what the server declared, not verified", md(v.model_label())));
    const Json& e = v.run.environment;
    if (e.is_object() && e.contains("engine") && e["engine"].is_object() && e["engine"].contains("notes") &&
        e["engine"]["notes"].is_array())
      for (const Json& note : e["engine"]["notes"])
        if (note.is_string()) lines.add(fmt::format("**{}:** {}", md(s->label()), md(note.get<std::string>())));
    for (const ModelSpec* m : specs_of(input, v))
      if (!m->identity_note.empty()) lines.add(fmt::format("**{}:** {}", md_code(m->id), md(m->identity_note)));
  }
  for (const RunView& v : input.runs)
    if (v.tasks.empty())
      lines.add(fmt::format("**Run {}** ({}) ended before anything was scored", v.run.id, md(v.subject())));
  return "### **Known Issues**\n\n" + lines.text("None known.");
}

std::string opportunities_section(const std::vector<const Subject*>& subjects) {
  Lines lines;
  for (const Subject* s : subjects) {
    for (const SubjectRow& row : s->rows) {
      const ClassCount* c = row.task ? most_frequent_failure(*row.task) : nullptr;
      if (c && c->failure_class == FailureClass::truncated && c->n * 10 > row.task->n_docs)
        lines.add(fmt::format("**Token limit:** {} of {} answers to {} of {} were cut: `--gen-kwargs max_gen_toks=N`",
                              c->n, row.task->n_docs, md(row.title), md(s->label())));
    }
    if (!s->measured) continue;
    const RunPerformance& p = s->measured->performance;
    std::string label = md(s->label());
    if (p.n_prompt_tokens > 0) {
      double shared = static_cast<double>(p.n_cached_tokens) / static_cast<double>(p.n_prompt_tokens);
      lines.add(fmt::format("**Caching:** {}: {} of the prompt tokens were shared between prompts and decoded once",
                            label, percent(shared, 0)));
    }
    if (p.n_batches > 0 && p.n_decoded_tokens > 0) {
      std::string line = fmt::format("**Batch Processing:** {}: {:.0f} tokens a decode call on average", label,
                                     static_cast<double>(p.n_decoded_tokens) / static_cast<double>(p.n_batches));
      if (p.batch_fill) line += fmt::format("; micro-batches of scoring {} full", percent(*p.batch_fill, 0));
      if (p.slot_use) line += fmt::format("; slots {} busy while requests waited", percent(*p.slot_use, 0));
      lines.add(line);
    }
    if (p.wall_s > 0 && p.decode_busy_s > 0 && p.decode_busy_s < 0.8 * p.wall_s)
      lines.add(
          fmt::format("**Waiting:** {}: the model decoded in {} of the wall time; the rest is loading and scoring",
                      label, percent(p.decode_busy_s / p.wall_s, 0)));
    if (p.device_utilisation && *p.device_utilisation < 0.7)
      lines.add(fmt::format("**GPU:** {}: busy {} of the time", label, percent(*p.device_utilisation, 0)));
    if (p.peak_device_bytes && p.device_total_bytes && *p.device_total_bytes > 0 &&
        *p.peak_device_bytes * 2 < *p.device_total_bytes)
      lines.add(fmt::format(
          "**Memory:** {}: {} of the GPU's memory unused: room for a larger model, more sequences or longer contexts",
          label,
          percent(1 - static_cast<double>(*p.peak_device_bytes) / static_cast<double>(*p.device_total_bytes), 0)));
  }
  return "### **Optimization Opportunities**\n\n" + lines.text("None that the numbers show.");
}

}  // namespace qeval
