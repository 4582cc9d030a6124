#include "qeval/registry/model_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "qeval/net/hub.h"
#include "qeval/registry/model_shape.h"
#include "qeval/util/ascii.h"
#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr int kVocabFrom35 = 248320;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// "qwen2.5-coder-7b" → qwen2.5; other names up to the first dash.
std::string family_of(const std::string& name) { return name.substr(0, name.find('-')); }

// Registry ids are letters, digits, '.', '-', '_': they become file names.
std::string id_of(const std::string& hf_id) {
  std::string out = lower_ascii(hf_id.substr(hf_id.rfind('/') + 1));
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '-';
  while (!out.empty() && (out[0] == '.' || out[0] == '-')) out.erase(0, 1);
  return out;
}

bool before_35(const std::string& family) { return family == "qwen2" || family == "qwen2.5" || family == "qwen3"; }

std::string kind_of(const std::string& id, const std::string& family) {
  if (has(id, "thinking")) return "thinking";
  if (has(id, "base")) return "base";
  if (has(id, "coder")) return "coder";
  if (has(id, "math")) return "math";
  if (has(id, "instruct") || has(id, "chat")) return "instruct";
  if (family == "qwen2" || family == "qwen2.5" || family.compare(0, 4, "qwen") != 0) return "base";
  return "hybrid-thinking";
}

void set_thinking(ModelSpec& m) {
  m.thinking = m.kind == "thinking" ? "always" : m.kind == "hybrid-thinking" ? "switch" : "none";
  // From 3.5 the two smallest answer without thinking unless asked.
  bool small = !before_35(m.family) && m.params_b < 3;
  m.thinking_default = m.thinking == "always" || (m.thinking == "switch" && !small);
}

void set_tools(ModelSpec& m) {
  if (m.family.compare(0, 4, "qwen") != 0 || m.kind == "base" || m.kind == "math")
    m.tool_format = "none";
  else if (!before_35(m.family) || (m.kind == "coder" && m.family == "qwen3"))
    m.tool_format = "xml";
  else
    m.tool_format = "hermes";
}

void set_versions(ModelSpec& m, const std::string& architecture) {
  if (architecture == "qwen3" || architecture == "qwen3_moe")
    m.vllm_min = "0.8.5", m.llama_cpp_min = "PR 12828 (4/2025)";
  if (architecture == "qwen3_next") m.vllm_min = "0.10.2", m.llama_cpp_min = "PR 16095";
  if (architecture.starts_with("qwen3_5"))
    m.vllm_min = has(m.id, "qwen3.5") ? "0.17" : "0.19", m.llama_cpp_min = "PR 19468 (2/2026)";
}

void set_context(ModelSpec& m, const Json& config, int stated) {
  // Qwen3's configurations state 40,960; YaRN by 4 is meant of its native 32,768.
  m.context = stated;
  bool qwen3 = m.family == "qwen3" && stated == 40960;
  if (auto it = config.find("rope_scaling"); it != config.end() && it->is_object() && json_number(*it, "factor") > 1) {
    m.yarn_factor = json_number(*it, "factor");
    m.context_extended = static_cast<int>(std::min(m.context * m.yarn_factor, 1e9));
  } else if (qwen3) {
    m.yarn_factor = 4;
    m.context_extended = 131072;
  }
}

void add_ids(std::vector<int>& ids, const Json& json) {
  auto add = [&](const Json& id) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > 10'000'000) return;
    int value = id.get<int>();
    if (std::find(ids.begin(), ids.end(), value) == ids.end()) ids.push_back(value);
  };
  auto it = json.is_object() ? json.find("eos_token_id") : json.end();
  if (!json.is_object() || it == json.end()) return;
  if (!it->is_array()) return add(*it);
  for (const Json& id : *it) add(id);
}

// Qwen's turns end with one id and its texts with another, and some configurations name only the second.
void set_stops(ModelSpec& m, const ModelFiles& files) {
  if (m.family.compare(0, 4, "qwen") == 0)
    m.stop_ids = m.vocab == kVocabFrom35 ? std::vector<int>{248046, 248044} : std::vector<int>{151645, 151643};
  add_ids(m.stop_ids, files.generation_config);
  if (files.config.contains("text_config")) add_ids(m.stop_ids, files.config["text_config"]);
  add_ids(m.stop_ids, files.config);
}

Json recommended_sampling(const Json& generation) {
  Json values = Json::object();
  if (!generation.is_object()) return nullptr;
  for (const char* key : {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty"})
    if (generation.contains(key) && generation[key].is_number()) values[key] = generation[key];
  return values.empty() ? Json(nullptr) : Json{{"default", values}};
}

// "license: apache-2.0" of the front matter; license_name where license is "other".
std::string licence_of(const std::string& readme) {
  if (!readme.starts_with("---")) return "";
  std::string front = readme.substr(0, std::min<size_t>(readme.find("\n---", 3), 20000)), license, name;
  auto value = [&](const std::string& key) -> std::string {
    size_t at = front.find("\n" + key + ":");
    if (at == std::string::npos) return "";
    size_t begin = front.find_first_not_of(" \t\"'", at + key.size() + 2), end = front.find('\n', at + 1);
    if (begin == std::string::npos || begin >= end) return "";
    std::string out = front.substr(begin, end == std::string::npos ? end : end - begin);
    while (!out.empty() && has(" \t\r\"'", out.substr(out.size() - 1))) out.pop_back();
    return out;
  };
  license = value("license");
  if (license == "other") name = value("license_name");
  if (!name.empty()) return name;
  return license == "apache-2.0" ? "Apache-2.0" : license == "mit" ? "MIT" : license;
}

Json read_json_or_null(const std::string& path) {
  auto text = read_file(path);
  if (!text) return nullptr;
  auto json = parse_json(*text);
  return json ? *json : Json(nullptr);
}

Result<Json> read_config(const std::string& path) {
  QEVAL_TRY(std::string text, read_file(path));
  auto config = parse_json(text);
  if (!config) return fail(config.error().in(path));
  return config;
}

Result<ModelFiles> files_of_folder(const std::string& source) {
  std::error_code ec;
  fs::path config = fs::is_directory(source, ec) ? fs::path(source) / "config.json" : fs::path(source);
  ModelFiles files;
  QEVAL_TRY(files.config, read_config(config.string()));
  fs::path folder = fs::absolute(config, ec).parent_path();
  files.generation_config = read_json_or_null((folder / "generation_config.json").string());
  if (auto readme = read_file((folder / "README.md").string())) files.readme = *readme;
  files.hf_id = json_string(files.config, "_name_or_path");
  if (!is_hub_repo_id(files.hf_id)) files.hf_id = folder.filename().string();
  return files;
}

Result<ModelFiles> files_of_hub(const Hub& hub, const std::string& repo) {
  QEVAL_TRY(HubListing listing, hub.list({repo}));
  ModelFiles files;
  files.hf_id = repo;
  for (const HubFile& file : listing.files) {
    bool wanted = file.path == "config.json" || file.path == "generation_config.json" || file.path == "README.md";
    if (!wanted) continue;
    QEVAL_TRY(HubDownload got, hub.download({repo, listing.commit}, file));
    if (file.path == "README.md") {
      QEVAL_TRY(files.readme, read_file(got.path));
      continue;
    }
    auto json = read_config(got.path);
    if (!json) return fail(json.error());
    (file.path == "config.json" ? files.config : files.generation_config) = std::move(*json);
  }
  if (files.config.is_null())
    return bad_input(fmt::format("hf:{}: has no config.json; a GGUF repository has none, name the model's own", repo));
  return files;
}

}  // namespace

Result<ModelSpec> model_from_files(const ModelFiles& files) {
  QEVAL_TRY(ModelShape shape, shape_from_config(files.config));
  ModelSpec m;
  m.id = id_of(files.hf_id);
  if (m.id.empty()) return bad_input(fmt::format("\"{}\" gives no usable id", files.hf_id));
  m.hf_id = files.hf_id;
  m.name = files.hf_id.substr(files.hf_id.rfind('/') + 1);
  std::replace(m.name.begin(), m.name.end(), '-', ' ');
  m.family = family_of(m.id);
  m.license = licence_of(files.readme);
  m.priority = "MEDIUM";
  m.kind = kind_of(m.id, m.family);
  m.params_b = shape_params(shape, false) / 1e9;
  m.active_params_b = shape_params(shape, true) / 1e9;
  m.size_gb = 2 * m.params_b;
  m.n_layers = shape.n_layers;
  m.n_kv_layers = shape.n_kv_layers;
  m.d_model = shape.d_model;
  m.n_heads = shape.n_heads;
  m.n_kv_heads = shape.n_kv_heads;
  m.head_dim = shape.head_dim;
  m.d_ff = shape.d_ff;
  m.vocab = shape.vocab;
  m.n_experts = shape.n_experts;
  m.n_experts_used = shape.n_experts_used;
  m.state_mib_per_seq = shape_state_bytes(shape) / (1 << 20);
  m.tied_embeddings = shape.tied_embeddings;
  set_thinking(m);
  set_tools(m);
  set_versions(m, shape.architecture);
  set_context(m,
              files.config.contains("text_config") && files.config["text_config"].is_object()
                  ? files.config["text_config"]
                  : files.config,
              shape.context);
  set_stops(m, files);
  m.sampling = recommended_sampling(files.generation_config);
  return m;
}

Result<ModelSpec> import_model(const std::string& source) {
  if (!source.starts_with("hf:")) {
    std::error_code ec;
    if (!fs::exists(source, ec))
      return bad_input(fmt::format("{}: hf:ORG/REPO, a folder with config.json or a config.json was expected", source));
    QEVAL_TRY(ModelFiles files, files_of_folder(source));
    auto model = model_from_files(files);
    if (!model) return fail(model.error().in(source));
    return model;
  }
  std::string repo = source.substr(3);
  if (!is_hub_repo_id(repo)) return bad_input(fmt::format("{}: hf:ORG/REPO was expected", source));
  Hub hub(hub_config_from_environment());
  QEVAL_TRY(ModelFiles files, files_of_hub(hub, repo));
  auto model = model_from_files(files);
  if (!model) return fail(model.error().in(source));
  // The makers' GGUF repository, where there is one.
  if (auto listing = hub.list({repo + "-GGUF"}); listing && pick_gguf(listing->files, "Q8_0")) {
    model->gguf_repo = repo + "-GGUF";
    model->gguf_quant = "Q8_0";
  }
  return model;
}

}  // namespace qeval
