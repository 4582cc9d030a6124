#include <fmt/format.h>

#include <map>
#include <set>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/model_registry.h"
#include "qeval/text/table.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

// What the store knows: HF ids and ids with a finished run.
Result<std::map<std::string, std::set<std::string>>> tested_presets(const std::string& path) {
  std::map<std::string, std::set<std::string>> tested;
  if (!file_exists(path)) return tested;
  QEVAL_TRY(auto store, open_store(path, {.read_only = true, .create = false}));
  QEVAL_TRY(auto runs, store->runs());
  for (const RunRecord& run : runs) {
    if (run.status != RunStatus::done) continue;
    tested[run.model_id].insert(run.preset);
    tested[json_string(run.spec, "hf_id")].insert(run.preset);
  }
  return tested;
}

std::string size_text(const ModelSpec& m) {
  return m.active_params_b < m.params_b ? fmt::format("{:.3g}B (A{:.2g}B)", m.params_b, m.active_params_b) : fmt::format("{:.3g}B", m.params_b);
}

std::string context_text(const ModelSpec& m) {
  std::string text = fmt::format("{}K", m.context / 1024);
  return m.context_extended > m.context ? fmt::format("{} (YaRN {}K)", text, m.context_extended / 1024) : text;
}

Json to_json(const ModelSpec& m, bool tested) {
  return {{"id", m.id}, {"name", m.name}, {"hf_id", m.hf_id}, {"identity_note", m.identity_note}, {"family", m.family},
          {"kind", m.kind}, {"license", m.license}, {"priority", m.priority}, {"params_b", m.params_b},
          {"active_params_b", m.active_params_b}, {"size_gb", m.size_gb}, {"n_layers", m.n_layers},
          {"n_kv_layers", m.n_kv_layers}, {"d_model", m.d_model}, {"n_heads", m.n_heads}, {"n_kv_heads", m.n_kv_heads},
          {"head_dim", m.head_dim}, {"d_ff", m.d_ff}, {"vocab", m.vocab}, {"n_experts", m.n_experts},
          {"n_experts_used", m.n_experts_used}, {"state_mib_per_seq", m.state_mib_per_seq},
          {"kv_bytes_per_token", kv_bytes_per_token(m)}, {"context", m.context}, {"context_extended", m.context_extended},
          {"thinking", m.thinking}, {"thinking_default", m.thinking_default}, {"sampling", m.sampling},
          {"stop_ids", m.stop_ids}, {"tool_format", m.tool_format}, {"gguf_repo", m.gguf_repo},
          {"gguf_quant", m.gguf_quant}, {"vllm_min", m.vllm_min}, {"llama_cpp_min", m.llama_cpp_min},
          {"file", m.file}, {"status", tested ? "tested" : "pending"}};
}

Result<int> list_models(const CommonOptions& options) {
  QEVAL_TRY(auto models, all_models());
  QEVAL_TRY(auto tested, tested_presets(options.store));
  Table table;
  table.headers = {"Model", "Weights", "Size", "Context", "Licence", "Priority", "Thinking", "Status"};
  Json all = Json::array();
  for (const ModelSpec& m : models) {
    bool done = tested.count(m.id) || tested.count(m.hf_id);
    table.rows.push_back({m.id, m.hf_id, size_text(m), context_text(m), m.license, m.priority, m.thinking, done ? "tested" : "pending"});
    all.push_back(to_json(m, done));
  }
  if (options.json) {
    fmt::print("{}\n", dump_json(all, 2));
    return kDone;
  }
  fmt::print("{}", table.terminal());
  for (const ModelSpec& m : models)
    if (!m.identity_note.empty()) fmt::print("{}: {}\n", m.id, m.identity_note);
  return kDone;
}

Result<int> list_presets(const CommonOptions& options) {
  QEVAL_TRY(auto presets, all_presets());
  QEVAL_TRY(auto tested, tested_presets(options.store));
  std::set<std::string> done;
  for (const auto& [model, names] : tested) done.insert(names.begin(), names.end());
  Table table;
  table.headers = {"Preset", "Focus", "GPU memory", "Max sequences", "Batch size", "Prefix caching", "Max length", "Status"};
  Json all = Json::array();
  for (const Preset& p : presets) {
    std::string status = done.count(p.name) ? "tested" : "pending";
    table.rows.push_back({p.name, p.focus, fmt::format("{:.0f} %", 100 * p.gpu_memory_utilization), std::to_string(p.max_num_seqs),
                          std::to_string(p.evaluation_batch_size), p.prefix_caching ? "on" : "off", std::to_string(p.max_model_len), status});
    Json json = qeval::to_json(p);
    json["focus"] = p.focus;
    json["status"] = status;
    all.push_back(json);
  }
  if (options.json) fmt::print("{}\n", dump_json(all, 2));
  else fmt::print("{}", table.terminal());
  return kDone;
}

}  // namespace

void add_models_commands(CLI::App& app, Command& command) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* models = app.add_subcommand("models", "List the registry of models; `models add` makes a row");
  models->require_subcommand(0, 1);
  add_store_option(*models, *options);
  add_json_option(*models, *options);
  add_examples(*models, "  qeval models\n  qeval models add hf:Qwen/Qwen3-8B");
  models->callback([&command, options] {
    if (!command.action) command.action = [options] { return list_models(*options); };
  });
  add_models_add_command(*models, command);
  models->add_subcommand("list", "The same as `models`")->callback([&command, options] {
    command.action = [options] { return list_models(*options); };
  });
  CLI::App* presets = app.add_subcommand("presets", "List serving presets");
  add_store_option(*presets, *options);
  add_json_option(*presets, *options);
  presets->callback([&command, options] { command.action = [options] { return list_presets(*options); }; });
}

}  // namespace qeval
