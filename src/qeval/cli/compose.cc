#include "qeval/cli/compose.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>

#include "qeval/bfcl/bfcl_tools.h"
#include "qeval/cli/compose_vllm.h"
#include "qeval/cli/fake_script.h"
#include "qeval/cli/run_options.h"
#include "qeval/engine/openai/openai_engine.h"
#include "qeval/monitor/environment.h"
#include "qeval/os/signals.h"
#include "qeval/registry/model_registry.h"
#include "qeval/registry/model_resolver.h"
#include "qeval/registry/preset_registry.h"
#include "qeval/registry/published.h"
#include "qeval/registry/weights_hash.h"
#include "qeval/report/run_view.h"
#include "qeval/report/tracker.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#ifdef QEVAL_WITH_LLAMA
#include "qeval/engine/llama/llama_engine.h"
#include "qeval/engine/llama/model_maker.h"
#endif

namespace qeval {
namespace {

Result<EnginePlan> plan_fake(const EngineRequest& request, Preset preset) {
  QEVAL_TRY(FakeOptions options, load_fake_script(request.fake_script));
  EnginePlan plan;
  plan.engine = "fake";
  plan.engine_version = "1";
  plan.preset = std::move(preset);
  auto probe = make_fake_engine(options);
  plan.weights = probe->info().weights;
  plan.is_instruct = probe->info().can.chat_template;
  plan.load = [options]() -> Result<std::unique_ptr<Engine>> { return make_fake_engine(options); };
  return plan;
}

#ifdef QEVAL_WITH_LLAMA
std::string megabytes(int64_t bytes) { return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6); }

std::function<bool(double)> hashing_progress(const std::atomic<bool>* stop) {
  return [stop](double share) {
    console().progress(fmt::format("hashing the weights: {:.0f} %", 100 * share));
    return !(stop && stop->load());
  };
}

// Where other weights than the file's own are asked for: points `path` and `weights` at a file in the cache that has
// them, made from it once. Returns the type that the original has, "" where nothing changed.
Result<std::string> expand_weights(const std::string& asked, std::string& path, WeightsIdentity& weights,
                                   const std::atomic<bool>* stop) {
  std::string type;
  for (char c : asked) type += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (type.empty() || type == weights.quantization) return std::string();
  const std::string folder = user_cache_dir() + "/weights";
  QEVAL_CHECK(make_directories(folder));
  const std::string expanded = fmt::format("{}/{}.{}.gguf", folder, weights.sha256, type);
  if (!file_exists(expanded)) {
    console().progress(fmt::format("writing the weights as {}: {}", type, expanded));
    QEVAL_CHECK(requantise_gguf(path, expanded, type));
    console().progress_done();
  }
  const std::string original = weights.quantization;
  QEVAL_TRY(weights.sha256, weights_sha256(expanded, weights_hash_memory(), false, hashing_progress(stop)));
  console().progress_done();
  path = expanded;
  weights.quantization = fmt::format("{} as {}", original, type);
  console().note(fmt::format("weights: {} expanded to {} ({})", original, type, expanded));
  return original;
}

Result<EnginePlan> plan_llama(const EngineRequest& request, Preset preset) {
  QEVAL_TRY(auto models, all_models());
  QEVAL_TRY(ResolvedModel model,
            resolve_model(request.model, models, [&](const std::string& file, int64_t done, int64_t total) {
              console().progress(
                  fmt::format("downloading {}: {} of {}", file, megabytes(done), total < 0 ? "?" : megabytes(total)));
              return !(request.stop && request.stop->load());
            }));
  QEVAL_TRY(WeightsIdentity weights, inspect_gguf(model.gguf_path));
  QEVAL_TRY(weights.sha256, weights_sha256(model.gguf_path, weights_hash_memory(), false, hashing_progress(request.stop)));
  console().progress_done();
  weights.verified = true;
  weights.source = model.source;
  if (!model.spec) model.spec = model_by_sha256(models, weights.sha256);
  if (!model.spec) model.spec = model_by_gguf_name(models, weights.name);
  if (model.hf_id.empty() && model.spec) model.hf_id = model.spec->hf_id;
  weights.hf_id = model.hf_id;
  weights.revision = model.revision;

  QEVAL_TRY(std::string expanded_from, expand_weights(request.weights_as, model.gguf_path, weights, request.stop));

  EnginePlan plan;
  plan.engine = "llama";
  plan.engine_version = llama_engine_version();
  plan.hf_id = model.hf_id;
  plan.spec = model.spec;
  plan.notes = preset_notes(preset, "llama");
  if (plan.spec && !plan.spec->identity_note.empty())
    plan.notes.push_back(fmt::format("{}: {}", plan.spec->id, plan.spec->identity_note));
  plan.is_instruct = plan.spec ? plan.spec->kind != "base" : !weights.chat_template_hash.empty();
  plan.offers_tools = weights.offers_tools;
  plan.options = {{"yarn_factor", request.yarn_factor}, {"threads", request.n_threads}};
  plan.preset = preset;
  plan.weights = weights;

  LlamaOptions options;
  options.model_path = model.gguf_path;
  options.preset = preset;
  options.source = model.source;
  options.hf_id = model.hf_id;
  options.revision = model.revision;
  options.sha256 = weights.sha256;
  options.expanded_from = expanded_from;
  options.n_threads = request.n_threads;
  options.yarn_factor = request.yarn_factor;
  if (plan.spec) options.extra_stop_ids = plan.spec->stop_ids;
  options.progress = [](float share) {
    console().progress(fmt::format("loading the model: {:.0f} %", 100 * share));
    return true;
  };
  plan.load = [options] { return load_llama_engine(options); };
  return plan;
}
#endif

// The row that a server's model belongs to: by the name typed, or by the name that the server has for it.
std::optional<ModelSpec> spec_of(const std::string& name) {
  auto models = all_models();
  if (!models) return std::nullopt;
  auto found = find_model(*models, name);
  return found ? std::optional(*found) : std::nullopt;
}

// The server is asked at once: what it can do decides which tasks can run.
Result<EnginePlan> plan_openai(const EngineRequest& request, Preset preset) {
  OpenAiOptions options;
  options.base_urls = request.base_urls;
  options.api_key = api_key_from_environment();
  options.preset = preset;
  options.weights_id = request.weights_id;
  options.adaptive = request.adaptive;
  options.ignore_eos = request.ignore_eos;
  options.model_names = {request.model};
  EnginePlan plan;
  plan.spec = spec_of(request.model);
  if (plan.spec) {
    options.model_names.push_back(plan.spec->hf_id);
    options.hf_id = plan.hf_id = plan.spec->hf_id;
    if (plan.spec->thinking == "switch") options.default_thinking = plan.spec->thinking_default;
  }
  if (!request.tokenizer.empty()) {
#ifdef QEVAL_WITH_LLAMA
    QEVAL_TRY(options.tokenizer, load_gguf_tokenizer(request.tokenizer));
#else
    return fail(ErrorKind::environment, "--tokenizer needs a qeval that is built with the embedded engine");
#endif
  }
  QEVAL_TRY(std::shared_ptr<Engine> engine, connect_openai_engine(options));
  const EngineInfo& info = engine->info();
  plan.engine = info.name;
  plan.engine_version = info.version;
  plan.weights = info.weights;
  plan.can = info.can;
  plan.is_instruct = info.can.own_chat && (!plan.spec || plan.spec->kind != "base");
  plan.preset = std::move(preset);
  // Two servers may call different weights alike, so the addresses are part of the run, unless the user vouches.
  if (request.weights_id.empty()) plan.options["base_urls"] = info.settings["base_urls"];
  if (options.default_thinking) plan.options["default_thinking"] = *options.default_thinking;
  plan.load = [options] { return connect_openai_engine(options); };
  return plan;
}

}  // namespace

TaskSources task_sources(const CommonOptions& options) {
  TaskSources sources;
  sources.include_paths = options.include_paths;
  sources.stop = StopSignals::requested();
  sources.data_dir = options.data_dir;
  sources.cache_dir = user_cache_dir();
  const char* offline = std::getenv("HF_HUB_OFFLINE");
  BfclToolsOptions tools;
  tools.python = options.bfcl_python;
  tools.allow_unsafe = options.unsafe_code;
  sources.outside_tools = make_bfcl_tools(tools);
  sources.offline = offline && *offline && std::string(offline) != "0";
  return sources;
}

Result<std::vector<PublishedScore>> published_scores() { return load_published(); }
Result<std::vector<ModelSpec>> all_models() { return load_models("models"); }
Result<std::vector<Preset>> all_presets() { return load_presets("presets"); }
Result<Preset> preset_named(const std::string& name) {
  QEVAL_TRY(auto presets, all_presets());
  return find_preset(presets, name);
}

Json host_environment() { return read_environment(); }

Result<Sandbox*> SandboxHolder::get() {
  if (!sandbox_) {
    SandboxOptions options;
    options.allow_unsafe = allow_unsafe_;
    QEVAL_TRY(sandbox_, open_sandbox(options));
  }
  return sandbox_.get();
}

Result<EnginePlan> plan_engine(const EngineRequest& request) {
  QEVAL_TRY(Preset preset, preset_with_settings(request.preset.name, request.settings));
  if (request.engine == "fake") return plan_fake(request, std::move(preset));
  if (request.engine == "openai") return plan_openai(request, std::move(preset));
  if (request.engine == "vllm") return plan_vllm(request, std::move(preset));
#ifdef QEVAL_WITH_LLAMA
  return plan_llama(request, std::move(preset));
#else
  return fail(ErrorKind::environment, "this qeval was built without the embedded engine (QEVAL_LLAMA=OFF)");
#endif
}

Status rewrite_tracker(const Store& store, const std::string& path) {
  QEVAL_TRY(TrackerInput input, tracker_input(store));
  QEVAL_TRY(input.models, all_models());
  QEVAL_TRY(input.presets, all_presets());
  return update_tracker_file(path, input);
}

}  // namespace qeval
