#include "qeval/cli/compose_vllm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "qeval/engine/openai/openai_engine.h"
#include "qeval/engine/vllm/vllm_engine.h"
#include "qeval/monitor/device_probe.h"
#include "qeval/net/hub_cache.h"
#include "qeval/plan/deployment.h"
#include "qeval/registry/model_registry.h"
#include "qeval/registry/model_shape.h"
#include "qeval/registry/preset_registry.h"
#include "qeval/registry/weights_hash.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

namespace fs = std::filesystem;

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kUsualTokens = 2048;  // of one request of an evaluation: what KV room on a CPU is made for

struct ServedModel {
  std::string path_or_id, hf_id;
  std::optional<ModelSpec> spec;
  Json config;  // null where it is not on this machine
  WeightsIdentity weights;
  bool has_chat_template = true;
};

std::string content_hash(const std::string& file) {
  auto text = read_file(file);
  return text ? sha256_hex(*text) : "";
}

// All weight files in the order of their names, each hashed once and remembered.
Status hash_folder(const std::string& folder, WeightsIdentity& weights, const std::atomic<bool>* stop) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& file : files) {
    weights.size_bytes += static_cast<int64_t>(fs::file_size(file, ignored));
    QEVAL_TRY(std::string hash, weights_sha256(file.string(), weights_hash_memory(), false, [&](double share) {
                console().progress(fmt::format("hashing {}: {:.0f} %", file.filename().string(), 100 * share));
                return !(stop && stop->load());
              }));
    all += file.filename().string() + ":" + hash + "\n";
  }
  console().progress_done();
  if (files.empty()) return {};
  weights.sha256 = sha256_hex(all);
  weights.verified = true;
  return {};
}

std::string upper_type(std::string type) {
  if (type == "bfloat16") return "BF16";
  if (type == "float16") return "F16";
  if (type == "float32") return "F32";
  return type;
}

// What vLLM computes with: its dtype "auto" turns F32 checkpoints into BF16.
std::string quantization_of(const Json& config, const Preset& preset) {
  if (std::string method = json_string(preset.vllm, "quantization"); !method.empty()) return method;
  if (preset.quantization_method != "none" && !preset.quantization_method.empty()) return preset.quantization_method;
  if (config.is_object() && config.contains("quantization_config")) return json_string(config["quantization_config"], "quant_method", "quantised");
  std::string asked = json_string(preset.vllm, "dtype", "auto");
  if (asked != "auto") return upper_type(asked);
  std::string own = config.is_object() ? json_string(config, "dtype", json_string(config, "torch_dtype", "bfloat16")) : "bfloat16";
  return own == "float16" ? "F16" : "BF16";
}

Result<ServedModel> local_folder(const std::string& folder, const std::vector<ModelSpec>& models, const Preset& preset,
                                 const std::atomic<bool>* stop) {
  ServedModel out;
  out.path_or_id = fs::absolute(folder).lexically_normal().string();
  while (out.path_or_id.size() > 1 && out.path_or_id.back() == '/') out.path_or_id.pop_back();
  std::string file = folder + "/config.json";
  auto text = read_file(file);
  if (!text) return bad_input(fmt::format("--model {}: no config.json in it: vLLM serves folders in Hugging Face layout", folder));
  auto config = parse_json(*text);
  if (!config) return fail(config.error().in(file));
  out.config = *config;
  WeightsIdentity& w = out.weights;
  w.source = folder;
  w.architecture = json_string(out.config, "model_type");
  w.name = json_string(out.config, "_name_or_path", fs::path(out.path_or_id).filename().string());
  w.tokenizer_hash = content_hash(folder + "/tokenizer.json");
  w.chat_template_hash = content_hash(folder + "/chat_template.jinja");
  auto tokenizer = read_file(folder + "/tokenizer_config.json");
  out.has_chat_template = !w.chat_template_hash.empty() || (tokenizer && tokenizer->find("\"chat_template\"") != std::string::npos);
  QEVAL_CHECK(hash_folder(folder, w, stop));
  if (auto shape = shape_from_config(out.config)) w.params_b = shape_params(*shape, false) / 1e9;
  // A folder is named after the model as a rule: Qwen3-8B, or models--Qwen--Qwen3-8B/snapshots/….
  std::string name = fs::path(out.path_or_id).filename().string();
  for (const ModelSpec& m : models) {
    std::string repo = m.hf_id.substr(m.hf_id.find('/') + 1);
    bool in_hub_cache = out.path_or_id.find(hub_folder_name({.id = m.hf_id})) != std::string::npos;
    if (m.identity_note.empty() && (repo == name || in_hub_cache)) out.spec = m;
  }
  out.weights.quantization = quantization_of(out.config, preset);
  return out;
}

Result<ServedModel> served_model(const EngineRequest& request, const Preset& preset) {
  QEVAL_TRY(auto models, all_models());
  std::error_code ignored;
  const std::string& asked = request.model;
  if (fs::path(asked).extension() == ".gguf")
    return bad_input(fmt::format("--model {}: vLLM serves Hugging Face ids and folders; a GGUF runs with --engine llama", asked));
  if (fs::is_directory(asked, ignored)) return local_folder(asked, models, preset, request.stop);
  ServedModel out;
  std::string id = asked.rfind("hf:", 0) == 0 ? asked.substr(3) : asked;
  auto spec = find_model(models, id);
  if (spec) out.spec = *spec;
  else if (asked.rfind("hf:", 0) != 0) return fail(spec.error());
  out.path_or_id = out.hf_id = out.spec ? out.spec->hf_id : id;
  out.weights.source = "hf:" + out.hf_id;
  out.weights.name = out.hf_id;
  if (out.spec) out.weights.params_b = out.spec->params_b;
  out.weights.quantization = quantization_of(nullptr, preset);
  out.has_chat_template = !out.spec || out.spec->kind != "base";
  return out;
}

// How a plan sees it; null where the architecture is not known.
std::optional<PlanModel> plan_model_of(const ServedModel& model) {
  if (model.config.is_object())
    if (auto shape = shape_from_config(model.config)) return plan_model_from_shape(*shape, model.weights.name);
  if (model.spec)
    if (auto planned = plan_model_from_spec(*model.spec)) return *planned;
  return std::nullopt;
}

// The device that vLLM will use, for what fits; speeds do not matter here.
Hardware device_of(const VllmInstall& install) {
  Hardware out;
  if (!install.cpu_build) {
    if (auto devices = open_nvml())
      if (auto found = devices->read(); !found.empty()) {
        out.name = found.front().name;
        out.memory_bytes = static_cast<double>(found.front().total_bytes);
      }
  } else {
    out.is_cpu = true;
    Json host = host_environment();
    out.name = fmt::format("CPU ({})", json_string(host, "cpu"));
    out.memory_bytes = static_cast<double>(json_int(host, "memory_limit_bytes", json_int(host, "memory_bytes")));
  }
  out.bandwidth = out.flops = 1;
  return out;
}

// GiB for KV on a CPU: what the preset's sequences need at a usual length, at least one of max_model_len, within the preset's
// share of memory.
double cpu_kv_gib(const PlanModel& model, const Serving& serving, const Preset& preset, const Hardware& device) {
  int longest = model.context > 0 ? std::min(model.context, preset.max_model_len) : preset.max_model_len;
  double usual = std::min<double>(longest, kUsualTokens);
  double wanted = std::max(preset.max_num_seqs * sequence_bytes(model, serving, usual), sequence_bytes(model, serving, longest));
  double room = device.memory_bytes * preset.gpu_memory_utilization * 0.5 - weight_bytes(model, serving);
  return std::max(1.0, std::floor(std::min(wanted, room) / kGiB));
}

Status check_fit(const ServedModel& model, const VllmInstall& install, VllmCommandRequest& command, EnginePlan& plan) {
  auto planned = plan_model_of(model);
  if (!planned) {
    plan.notes.push_back("what fits is not known: the model's shape is not");
    return {};
  }
  Hardware device = device_of(install);
  QEVAL_TRY(Serving serving, serving_of(command.preset, "vllm"));
  if (install.cpu_build) {
    const char* given = std::getenv("VLLM_CPU_KVCACHE_SPACE");  // the user's own goes first
    command.cpu_kv_gib = given && std::atof(given) > 0 ? std::atof(given) : cpu_kv_gib(*planned, serving, command.preset, device);
    int longest = planned->context > 0 ? std::min(planned->context, command.preset.max_model_len) : command.preset.max_model_len;
    plan.notes.push_back(fmt::format("KV cache of {:.0f} GiB: {} sequences of {} tokens fit, {} of {:.0f}", command.cpu_kv_gib,
                                     sequences_that_fit(*planned, serving, command.cpu_kv_gib * kGiB, longest), longest,
                                     sequences_that_fit(*planned, serving, command.cpu_kv_gib * kGiB, kUsualTokens), kUsualTokens));
    return {};
  }
  if (device.memory_bytes <= 0) return {};
  DeploymentRequest request;
  request.model = *planned;
  request.hardware = device;
  request.preset = command.preset;
  QEVAL_TRY(Deployment deployment, plan_deployment(request));
  if (!deployment.weights_fit) return fail(ErrorKind::environment, fmt::format("{} on {}: {}", model.path_or_id, device.name, deployment.notes.front()));
  for (const std::string& note : deployment.notes) plan.notes.push_back("plan: " + note);
  return {};
}

VllmOptions engine_options(const EngineRequest& request, const ServedModel& model, const VllmCommandRequest& command, const EnginePlan& plan,
                           std::shared_ptr<FlagTable> flags) {
  VllmOptions options;
  options.server.command = command;
  options.server.command.flags = flags.get();
  options.server.state_dir = user_cache_dir() + "/vllm";
  options.server.stop = request.stop;
  options.server.progress = [](const std::string& line) { console().progress(line); };
  options.server.note = [](const std::string& line) { console().note(line); };
  options.weights = plan.weights;
  options.device = device_of(command.install).name;
  if (options.device.empty()) options.device = "GPU";
  OpenAiOptions client;
  client.preset = plan.preset;
  client.hf_id = plan.hf_id;
  client.weights_id = plan.weights.verified ? plan.weights.sha256 : "";
  client.engine_name = "vllm";
  client.adaptive = request.adaptive;
  client.ignore_eos = request.ignore_eos;
  // Of the client alone: the server's own bound stays the preset's.
  if (!request.adaptive) client.preset.max_num_seqs = kMostInFlight;
  if (model.spec) client.stop_token_ids = model.spec->stop_ids;
  if (model.spec && model.spec->thinking == "switch") client.default_thinking = model.spec->thinking_default;
  options.connect = [client](const std::string& base_url, const std::string& served_name) {
    OpenAiOptions at = client;
    at.base_urls = {base_url};
    at.model_names = {served_name};
    return connect_openai_engine(at);
  };
  return options;
}

}  // namespace

Result<EnginePlan> plan_vllm(const EngineRequest& request, Preset preset) {
  QEVAL_TRY(VllmInstall install, find_vllm(request.vllm, request.stop));
  QEVAL_TRY(ServedModel model, served_model(request, preset));
  auto help = vllm_help_flags(install, user_cache_dir() + "/vllm", request.stop, [](const std::string& line) { console().progress(line); });
  console().progress_done();
  QEVAL_TRY(FlagTable table, FlagTable::load(install.version, std::move(help)));
  auto flags = std::make_shared<FlagTable>(std::move(table));

  EnginePlan plan;
  plan.engine = "vllm";
  plan.engine_version = install.version_text;
  plan.hf_id = !model.hf_id.empty() ? model.hf_id : model.spec ? model.spec->hf_id : "";
  plan.spec = model.spec;
  plan.weights = model.weights;
  plan.weights.hf_id = plan.hf_id;
  plan.is_instruct = model.spec ? model.spec->kind != "base" : model.has_chat_template;
  plan.preset = preset;
  plan.notes = preset_notes(preset, "vllm");
  if (model.spec && !model.spec->identity_note.empty()) plan.notes.push_back(fmt::format("{}: {}", model.spec->id, model.spec->identity_note));

  VllmCommandRequest command;
  command.install = install;
  command.flags = flags.get();
  command.model = model.path_or_id;
  command.served_name = plan.hf_id.empty() ? fs::path(model.path_or_id).filename().string() : plan.hf_id;
  command.preset = preset;
  command.spec = model.spec;
  command.config = model.config;
  command.yarn_factor = request.yarn_factor;
  QEVAL_CHECK(check_fit(model, install, command, plan));
  // Built once without a port: what cannot be is known before anything starts.
  QEVAL_TRY(VllmCommand built, build_vllm_command(command));
  // Without a parser for the model's call syntax vLLM refuses every request with tools.
  plan.offers_tools = built.settings.contains("tool-call-parser");
  plan.options = {{"vllm", built.settings}, {"yarn_factor", request.yarn_factor}};
  plan.details = {{"vllm", install.executable}, {"version", install.version_text}, {"command", shell_line(built)}, {"notes", built.notes}};
  plan.load = [options = engine_options(request, model, command, plan, flags), flags] {
    auto engine = start_vllm_engine(options);
    console().progress_done();
    return engine;
  };
  return plan;
}

}  // namespace qeval
