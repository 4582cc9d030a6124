#include "qeval/registry/preset_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "qeval/text/near_names.h"
#include "qeval/registry/yaml_fields.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

void put(std::vector<Preset>& presets, Preset preset) {
  auto same = std::find_if(presets.begin(), presets.end(), [&](const Preset& p) { return p.name == preset.name; });
  if (same == presets.end())
    presets.push_back(std::move(preset));
  else
    *same = std::move(preset);
}

int order(const Preset& p) {
  if (p.name == "performance") return 0;
  if (p.name == "balanced") return 1;
  return p.name == "memory_optimized" ? 2 : 3;
}

}  // namespace

Result<Preset> parse_preset(const std::string& text, const std::string& file) {
  QEVAL_TRY(Json yaml, parse_yaml(text, file));
  Preset p;
  p.name = "";
  p.file = file;
  FieldReader fields(yaml, [&](const std::string& key) {
    int line = key.empty() ? 0 : yaml_key_line(text, key);
    return line > 0 ? fmt::format("{}:{}", file, line) : file;
  });
  fields.text("name", p.name);
  fields.text("focus", p.focus);
  fields.amount("gpu_memory_utilization", p.gpu_memory_utilization);
  fields.count("max_num_seqs", p.max_num_seqs);
  fields.count("evaluation_batch_size", p.evaluation_batch_size);
  fields.flag("prefix_caching", p.prefix_caching);
  fields.flag("v2_block_manager", p.v2_block_manager);
  fields.text("quantization_method", p.quantization_method);
  fields.count("max_model_len", p.max_model_len);
  fields.amount("agent_temperature", p.agent_temperature);
  fields.any("vllm", p.vllm);
  fields.any("llama", p.llama);
  QEVAL_CHECK(fields.finish());
  if (p.name.empty()) return bad_input(fmt::format("{}: the key “name” is missing", file));
  if (p.max_num_seqs < 1 || p.max_model_len < 1 || p.evaluation_batch_size < 1)
    return bad_input(fmt::format("{}: max_num_seqs, evaluation_batch_size and max_model_len must be positive", file));
  if (p.gpu_memory_utilization <= 0 || p.gpu_memory_utilization > 1)
    return bad_input(fmt::format("{}: gpu_memory_utilization: {} is not in (0, 1]", file, p.gpu_memory_utilization));
  return p;
}

Result<std::vector<Preset>> load_presets(const std::string& user_folder) {
  std::vector<Preset> presets;
  for (const Asset& asset : shipped_assets()) {
    if (asset.path.rfind("presets/", 0) != 0) continue;
    QEVAL_TRY(Preset preset, parse_preset(std::string(asset.content), asset.path));
    put(presets, std::move(preset));
  }
  std::error_code ignored;
  if (!user_folder.empty() && std::filesystem::is_directory(user_folder, ignored)) {
    for (const auto& entry : std::filesystem::directory_iterator(user_folder, ignored)) {
      if (entry.path().extension() != ".yaml") continue;
      QEVAL_TRY(std::string text, read_file(entry.path().string()));
      QEVAL_TRY(Preset preset, parse_preset(text, entry.path().string()));
      put(presets, std::move(preset));
    }
  }
  std::sort(presets.begin(), presets.end(),
            [](const Preset& a, const Preset& b) { return std::pair(order(a), a.name) < std::pair(order(b), b.name); });
  return presets;
}

Result<Preset> find_preset(const std::vector<Preset>& presets, const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& p : presets) {
    if (p.name == name) return p;
    names.push_back(p.name);
  }
  return bad_input(
      fmt::format("--preset {}: no such preset{}; `qeval presets` lists them", name, near_names(name, names)));
}

std::vector<std::string> preset_notes(const Preset& p, const std::string& engine) {
  std::vector<std::string> notes;
  if (p.v2_block_manager) notes.push_back("V2 block manager: accepted, no longer exists in vLLM, nothing is emitted");
  if (engine == "llama" && p.quantization_method != "none")
    notes.push_back(
        fmt::format("quantization_method {}: no effect on the embedded engine, the GGUF's own quantisation counts",
                    p.quantization_method));
  if (engine == "llama")
    notes.push_back("gpu_memory_utilization: no effect on the embedded engine, memory is sized from the requests");
  return notes;
}

}  // namespace qeval
