#include "qeval/registry/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "qeval/registry/model_shape.h"
#include "qeval/text/near_names.h"
#include "qeval/registry/yaml_fields.h"
#include "qeval/text/yaml.h"
#include "qeval/util/ascii.h"
#include "qeval/util/assets.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

bool starts_key(std::string_view line, const std::string& key) {
  size_t begin = line.find_first_not_of(" -\t");
  if (begin == std::string_view::npos || line.size() < begin + key.size() + 1) return false;
  return line.compare(begin, key.size(), key) == 0 && line[begin + key.size()] == ':';
}

// Line of `key` in the row `id`, in block style; of the row where the key is not on a line of its own; 0 = not found.
int line_of(std::string_view text, const std::string& id, const std::string& key) {
  int line = 0, row_line = 0;
  while (!text.empty()) {
    ++line;
    std::string_view current = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), current.size() + 1));
    if (starts_key(current, "id")) {
      if (row_line > 0) return row_line;
      std::string_view value = current.substr(current.find(':') + 1);
      value.remove_prefix(std::min(value.size(), value.find_first_not_of(" \"'")));
      if (value.substr(0, value.find_first_of(" \"'#\r")) == id) row_line = line;
    }
    if (row_line > 0 && starts_key(current, key)) return line;
  }
  return row_line;
}

const char* kThinking[] = {"none", "switch", "always"};
const char* kToolFormats[] = {"none", "hermes", "xml"};

template <size_t N>
bool one_of(const std::string& value, const char* const (&known)[N]) {
  return value.empty() || std::find(std::begin(known), std::end(known), value) != std::end(known);
}

Result<ModelSpec> row(const Json& json, const std::string& text, const std::string& file) {
  ModelSpec m;
  m.file = file;
  std::string id = json_string(json, "id", "without id");
  KeyPlace place = [&](const std::string& key) {
    int line = line_of(text, id, key);
    return line > 0 ? fmt::format("{}:{}: model {}", file, line, id) : fmt::format("{}: model {}", file, id);
  };
  FieldReader fields(json, place);
  fields.text("id", m.id);
  fields.text("name", m.name);
  fields.text("hf_id", m.hf_id);
  fields.text("identity_note", m.identity_note);
  fields.text("family", m.family);
  fields.text("license", m.license);
  fields.text("priority", m.priority);
  fields.text("kind", m.kind);
  fields.amount("params_b", m.params_b);
  fields.amount("active_params_b", m.active_params_b);
  fields.amount("size_gb", m.size_gb);
  fields.count("n_layers", m.n_layers);
  fields.count("n_kv_layers", m.n_kv_layers);
  fields.count("d_model", m.d_model);
  fields.count("n_heads", m.n_heads);
  fields.count("n_kv_heads", m.n_kv_heads);
  fields.count("head_dim", m.head_dim);
  fields.count("d_ff", m.d_ff);
  fields.count("vocab", m.vocab);
  fields.count("n_experts", m.n_experts);
  fields.count("n_experts_used", m.n_experts_used);
  fields.amount("state_mib_per_seq", m.state_mib_per_seq);
  fields.flag("tied_embeddings", m.tied_embeddings);
  fields.count("context", m.context);
  fields.count("context_extended", m.context_extended);
  fields.amount("yarn_factor", m.yarn_factor);
  fields.text("thinking", m.thinking);
  fields.flag("thinking_default", m.thinking_default);
  fields.any("sampling", m.sampling);
  fields.integers("stop_ids", m.stop_ids);
  fields.text("tool_format", m.tool_format);
  fields.text("gguf_repo", m.gguf_repo);
  fields.text("gguf_quant", m.gguf_quant);
  fields.texts("gguf_sha256", m.gguf_sha256);
  fields.text("vllm_min", m.vllm_min);
  fields.text("llama_cpp_min", m.llama_cpp_min);
  QEVAL_CHECK(fields.finish());
  if (m.id.empty()) return bad_input(fmt::format("{}: a row has no id", file));
  if (!one_of(m.thinking, kThinking))
    return bad_input(
        fmt::format("{}: key “thinking”: none, switch, always were expected, found {}", place("thinking"), m.thinking));
  if (!one_of(m.tool_format, kToolFormats))
    return bad_input(fmt::format("{}: key “tool_format”: none, hermes, xml were expected, found {}",
                                 place("tool_format"), m.tool_format));
  if (m.active_params_b == 0) m.active_params_b = m.params_b;
  if (m.n_kv_layers == 0) m.n_kv_layers = m.n_layers;
  if (m.size_gb == 0) m.size_gb = 2 * m.params_b;
  if (m.name.empty()) m.name = m.id;
  return m;
}

void put_row(std::vector<ModelSpec>& models, ModelSpec model) {
  auto same = std::find_if(models.begin(), models.end(), [&](const ModelSpec& m) { return m.id == model.id; });
  if (same == models.end())
    models.push_back(std::move(model));
  else
    *same = std::move(model);
}

}  // namespace

Result<std::vector<ModelSpec>> parse_models(const std::string& text, const std::string& file) {
  QEVAL_TRY(Json yaml, parse_yaml(text, file));
  if (!yaml.is_object() || !yaml.contains("models") || !yaml["models"].is_array())
    return bad_input(fmt::format("{}: a list under the key “models” was expected", file));
  std::vector<ModelSpec> out;
  if (yaml.contains("defaults") && !yaml["defaults"].is_object())
    return bad_input(
        fmt::format("{}:{}: key “defaults”: a map of keys was expected", file, yaml_key_line(text, "defaults")));
  for (const auto& [key, value] : yaml.items())
    if (key != "models" && key != "defaults")
      return bad_input(
          fmt::format("{}:{}: unknown key “{}”; models and defaults are known", file, yaml_key_line(text, key), key));
  for (const Json& item : yaml["models"]) {
    Json merged = yaml.contains("defaults") ? yaml["defaults"] : Json::object();
    if (!item.is_object()) return bad_input(fmt::format("{}: each model is a map of keys", file));
    merged.update(item);
    QEVAL_TRY(ModelSpec model, row(merged, text, file));
    bool twice = std::any_of(out.begin(), out.end(), [&](const ModelSpec& m) { return m.id == model.id; });
    if (twice) return bad_input(fmt::format("{}: the id {} stands twice", file, model.id));
    out.push_back(std::move(model));
  }
  return out;
}

Result<std::vector<ModelSpec>> load_models(const std::string& user_folder) {
  std::vector<ModelSpec> models;
  for (const Asset& asset : shipped_assets()) {
    if (asset.path.rfind("models/", 0) != 0) continue;
    QEVAL_TRY(auto rows, parse_models(std::string(asset.content), asset.path));
    for (ModelSpec& m : rows) put_row(models, std::move(m));
  }
  std::error_code ignored;
  if (user_folder.empty() || !std::filesystem::is_directory(user_folder, ignored)) return models;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(user_folder, ignored))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    QEVAL_TRY(std::string text, read_file(file));
    QEVAL_TRY(auto rows, parse_models(text, file));
    for (ModelSpec& m : rows) put_row(models, std::move(m));
  }
  return models;
}

Result<ModelSpec> find_model(const std::vector<ModelSpec>& models, const std::string& name) {
  std::string wanted = lower_ascii(name);
  for (const ModelSpec& m : models)
    if (lower_ascii(m.id) == wanted) return m;
  for (const ModelSpec& m : models)
    if (lower_ascii(m.hf_id) == wanted) return m;
  std::vector<std::string> ids;
  for (const ModelSpec& m : models) ids.push_back(m.id);
  return bad_input(fmt::format("--model {}: no such model, file or hf:ORG/REPO{}; `qeval models` lists them", name,
                               near_names(name, ids)));
}

double kv_bytes_per_token(const ModelSpec& m, double bytes) {
  return 2.0 * m.n_kv_layers * m.n_kv_heads * m.head_dim * bytes;
}

double params_from_shape(const ModelSpec& m) {
  if (m.n_layers == 0 || m.d_model == 0 || m.n_heads == 0) return 0;
  bool hybrid = m.n_kv_layers < m.n_layers;
  ModelShape s;
  s.architecture = m.family == "qwen2.5" ? "qwen2" : m.family.compare(0, 4, "qwen") == 0 ? "qwen3" : "llama";
  s.n_layers = m.n_layers;
  s.n_kv_layers = m.n_kv_layers;
  s.d_model = m.d_model;
  s.n_heads = m.n_heads;
  s.n_kv_heads = m.n_kv_heads;
  s.head_dim = m.head_dim;
  s.d_ff = s.d_expert = m.d_ff;
  s.vocab = m.vocab;
  s.n_experts = m.n_experts;
  s.n_experts_used = m.n_experts_used;
  s.tied_embeddings = m.tied_embeddings;
  if (hybrid) {
    // The hybrids' linear layers: 16 key heads of 128, a convolution of 4; the value heads follow from the state.
    s.n_linear_key_heads = 16;
    s.linear_key_dim = s.linear_value_dim = 128;
    s.conv_kernel = 4;
    s.d_shared_expert = m.n_experts > 0 ? m.d_ff : 0;
    double per_layer = m.state_mib_per_seq * (1 << 20) / 4 / (m.n_layers - m.n_kv_layers);
    s.n_linear_value_heads = static_cast<int>(std::lround((per_layer - 3 * 4096) / (128 * 128 + 3 * 128)));
    if (s.n_linear_value_heads < 1) return 0;
  }
  return shape_params(s, false) / 1e9;
}

std::string model_yaml(const ModelSpec& m) {
  std::string out = "models:\n";
  auto text = [&](const char* key, const std::string& value, bool first = false) {
    if (!value.empty()) out += fmt::format("  {} {}: {}\n", first ? "-" : " ", key, dump_json(value));
  };
  auto number = [&](const char* key, double value) {
    if (value != 0) out += fmt::format("    {}: {:.6g}\n", key, value);
  };
  auto integer = [&](const char* key, int value) {
    if (value != 0) out += fmt::format("    {}: {}\n", key, value);
  };
  text("id", m.id, true);
  text("name", m.name);
  text("hf_id", m.hf_id);
  text("identity_note", m.identity_note);
  text("family", m.family);
  text("license", m.license);
  text("priority", m.priority);
  text("kind", m.kind);
  number("params_b", m.params_b);
  if (m.active_params_b != m.params_b) number("active_params_b", m.active_params_b);
  number("size_gb", m.size_gb);
  integer("n_layers", m.n_layers);
  integer("n_kv_layers", m.n_kv_layers);
  integer("d_model", m.d_model);
  integer("n_heads", m.n_heads);
  integer("n_kv_heads", m.n_kv_heads);
  integer("head_dim", m.head_dim);
  integer("d_ff", m.d_ff);
  integer("vocab", m.vocab);
  integer("n_experts", m.n_experts);
  integer("n_experts_used", m.n_experts_used);
  number("state_mib_per_seq", m.state_mib_per_seq);
  out += fmt::format("    tied_embeddings: {}\n", m.tied_embeddings);
  integer("context", m.context);
  integer("context_extended", m.context_extended);
  number("yarn_factor", m.yarn_factor);
  text("thinking", m.thinking);
  if (m.thinking_default) out += "    thinking_default: true\n";
  if (!m.sampling.is_null()) out += fmt::format("    sampling: {}\n", dump_json(m.sampling));
  if (!m.stop_ids.empty()) out += fmt::format("    stop_ids: [{}]\n", fmt::join(m.stop_ids, ", "));
  text("tool_format", m.tool_format);
  text("gguf_repo", m.gguf_repo);
  text("gguf_quant", m.gguf_quant);
  text("vllm_min", m.vllm_min);
  text("llama_cpp_min", m.llama_cpp_min);
  return out;
}

}  // namespace qeval
