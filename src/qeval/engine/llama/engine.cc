#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "build-info.h"
#include "ggml-backend.h"
#include "qeval/core/llama_sizes.h"
#include "qeval/engine/llama/llama_engine.h"
#include "qeval/engine/llama/llama_log.h"
#include "qeval/engine/llama/matrix_backend.h"
#include "qeval/engine/llama/session.h"

namespace qeval {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

int physical_cores() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::pair<int, int>> cores;
  int package = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.rfind("physical id", 0) == 0) package = std::atoi(line.c_str() + colon + 2);
    if (line.rfind("core id", 0) == 0) cores.insert({package, std::atoi(line.c_str() + colon + 2)});
  }
  const int allowed = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return cores.empty() ? allowed : std::min(allowed, static_cast<int>(cores.size()));
}

int64_t available_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (int64_t kib; file >> key >> kib; std::getline(file, unit))
    if (key == "MemAvailable:") return kib * 1024;
  return static_cast<int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

Result<ggml_type> cache_type(const Json& settings, const std::string& key, const char* fallback) {
  const std::string name = json_string(settings, key, fallback);
  for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1,
                         GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_IQ4_NL})
    if (name == ggml_type_name(type)) return type;
  return bad_input(fmt::format("preset: llama.{} is '{}'; known are f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl",
                               key, name));
}

Result<llama_flash_attn_type> flash_attention(const Json& settings, llama_flash_attn_type fallback) {
  if (!settings.is_object() || !settings.contains("flash_attn")) return fallback;
  const Json& value = settings["flash_attn"];
  const std::string text = value.is_boolean() ? (value.get<bool>() ? "on" : "off") : value.is_string() ? value.get<std::string>() : "";
  if (text == "auto") return fallback;
  if (text == "on" || text == "true") return LLAMA_FLASH_ATTN_TYPE_ENABLED;
  if (text == "off" || text == "false") return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  return bad_input(fmt::format("preset: llama.flash_attn is {}; known are auto, on, off", dump_json(value)));
}

class LlamaEngine : public Engine {
 public:
  static Result<std::unique_ptr<Engine>> load(const LlamaOptions& options);

  const EngineInfo& info() const override { return info_; }
  Result<RenderedPrompt> render(const ChatPrompt& chat) const override { return render_chat(*model_, chat); }
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool add_special, bool parse_special) const override {
    return model_->encode(text, add_special, parse_special);
  }
  Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) override {
    QEVAL_CHECK(measure_memory());
    return make_llama_session(model_, setup_, options);
  }

 private:
  Status read_settings(const LlamaOptions& options);
  void describe(const LlamaOptions& options);
  Status measure_memory();

  std::shared_ptr<const LlamaModel> model_;
  EngineInfo info_;
  LlamaSessionSetup setup_;
  Preset preset_;
  bool measured_ = false;
};

Result<std::unique_ptr<Engine>> LlamaEngine::load(const LlamaOptions& options) {
  QEVAL_TRY(WeightsIdentity weights, inspect_gguf(options.model_path));
  auto out = std::make_unique<LlamaEngine>();
  const bool quantised = weights.quantization != "F32" && weights.quantization != "BF16" && weights.quantization != "F16";
  QEVAL_TRY(out->model_, LlamaModel::load(options, quantised));
  out->info_.weights = std::move(weights);
  out->preset_ = options.preset;
  QEVAL_CHECK(out->read_settings(options));
  out->describe(options);
  return out;
}

Status LlamaEngine::read_settings(const LlamaOptions& options) {
  const Json& llama = options.preset.llama;
  ContextSettings& context = setup_.generation;
  context.n_threads = options.n_threads > 0 ? options.n_threads
                                            : static_cast<int>(json_int(llama, "n_threads", physical_cores()));
  context.n_ubatch = static_cast<int>(json_int(llama, "n_ubatch", micro_batch_tokens(model_->n_vocab(), !model_->on_gpu())));
  if (context.n_ubatch < 1 || context.n_threads < 1)
    return bad_input("preset: llama.n_ubatch and llama.n_threads must be at least 1");
  // Whoever runs F32 weights wants reference numbers: attention in F32 then too. ggml's fused attention rounds to F16; ours does not, but
  // leaves to ggml what it cannot do (capped scores, biases by position, sinks), which none of these models has.
  const bool reference = info_.weights.quantization == "F32";
  const bool plain = model_->architecture().rfind("qwen", 0) == 0 || model_->architecture() == "llama";
  const bool fused_here = matrix_backend_attends();
  QEVAL_TRY(context.type_k, cache_type(llama, "type_k", reference ? "f32" : "f16"));
  QEVAL_TRY(context.type_v, cache_type(llama, "type_v", reference ? "f32" : "f16"));
  QEVAL_TRY(context.flash_attn,
            flash_attention(llama, fused_here && (plain || !reference) ? LLAMA_FLASH_ATTN_TYPE_ENABLED
                                   : reference                         ? LLAMA_FLASH_ATTN_TYPE_DISABLED
                                                                       : LLAMA_FLASH_ATTN_TYPE_AUTO));
  if (context.flash_attn == LLAMA_FLASH_ATTN_TYPE_DISABLED && ggml_is_quantized(context.type_v))
    return bad_input("preset: a quantised llama.type_v needs flash attention (llama.flash_attn: on)");
  context.yarn_factor = options.yarn_factor;
  context.max_rows = scored_rows(model_->n_vocab(), context.n_ubatch);
  setup_.scoring = context;
  // A log-likelihood shall not depend on what else is in its batch. Where attention is ggml's, K and V of two types make it add up cell by
  // cell; short continuations lose no time by it, long prompts of generation would.
  setup_.scoring.rows_alike = !model_->on_gpu();
  const bool ours = fused_here && (plain || info_.weights.quantization == "BF16");
  if (!ours && !reference && !model_->on_gpu() && !llama.contains("type_v")) setup_.scoring.type_v = GGML_TYPE_BF16;

  double context_length = model_->n_ctx_train();
  if (options.yarn_factor > 1) context_length *= options.yarn_factor;
  const int own = static_cast<int>(std::min(context_length, 1e9));
  info_.max_model_len = options.preset.max_model_len > 0 ? std::min(options.preset.max_model_len, own) : own;
  GeneratorLimits& generator = setup_.generator;
  generator.max_len = info_.max_model_len;
  // One sequence id is the prefix holder's; the logits of a step have to fit too.
  generator.max_slots = std::clamp(options.preset.max_num_seqs, 1, kMostLlamaSequences);
  if (options.preset.max_num_seqs > kMostLlamaSequences)
    info_.notes.push_back(fmt::format("max_num_seqs {} is more than llama.cpp holds: {}", options.preset.max_num_seqs, kMostLlamaSequences));
  generator.reuse_prefixes = options.preset.prefix_caching;
  info_.max_concurrency = generator.max_slots;
  return {};
}

void LlamaEngine::describe(const LlamaOptions& options) {
  const ContextSettings& context = setup_.generation;
  info_.name = "llama";
  info_.version = llama_version();
  info_.build = fmt::format("{} (build {}), {}, {}", llama_commit(), llama_build_number(), llama_compiler(),
                            llama_build_target());
  if (const std::string products = matrix_backend_kernels(); !products.empty() && !model_->on_gpu()) info_.build += ", " + products;
  info_.device = fmt::format("CPU ({})", cpu_name());
  if (model_->on_gpu())
    info_.device = ggml_backend_dev_description(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU));
  const bool has_template = model_->chat_template() != nullptr;
  info_.can = {true, true, true, has_template, has_template, true, true};
  WeightsIdentity& weights = info_.weights;
  weights.source = options.source.empty() ? options.model_path : options.source;
  weights.hf_id = options.hf_id;
  weights.revision = options.revision;
  weights.sha256 = options.sha256;
  weights.verified = !options.sha256.empty();
  if (!options.expanded_from.empty()) weights.quantization = options.expanded_from + " as " + weights.quantization;
  info_.settings = {{"n_ctx", "of the longest request, grown in steps"},
                    {"max_model_len", info_.max_model_len},
                    {"n_batch", context.n_ubatch},
                    {"n_ubatch", context.n_ubatch},
                    {"n_seq_max", setup_.generator.max_slots},
                    {"type_k", ggml_type_name(context.type_k)},
                    {"type_v", ggml_type_name(context.type_v)},
                    {"type_v_scoring", ggml_type_name(setup_.scoring.type_v)},
                    {"flash_attn", llama_flash_attn_type_name(context.flash_attn)},
                    {"n_threads", context.n_threads},
                    {"n_gpu_layers", model_->on_gpu() ? options.n_gpu_layers : 0},
                    {"kv_unified", "scoring: one, generation: one per sequence"},
                    {"prefix_caching", setup_.generator.reuse_prefixes},
                    {"yarn_factor", options.yarn_factor > 1 ? options.yarn_factor : 0.0},
                    {"system_info", llama_print_system_info()}};
  if (options.preset.quantization_method != "none" && !options.preset.quantization_method.empty())
    info_.notes.push_back("quantization_method has no effect: a GGUF holds its own quantisation");
  if (options.preset.v2_block_manager) info_.notes.push_back("v2_block_manager has no effect on llama.cpp");
  if (options.yarn_factor > 1)
    info_.notes.push_back(fmt::format("static YaRN ×{}: short prompts score a little lower with it", options.yarn_factor));
  if (!has_template) info_.notes.push_back("no chat template: " + model_->chat_template_error());
}

// What a cell of the cache and a sequence's state cost is read off small contexts, then held against free memory.
Status LlamaEngine::measure_memory() {
  if (measured_) return {};
  ContextSettings settings = setup_.generation;
  settings.rows_alike = true;  // no second copy of the weights for this
  DecodeContext probe(*model_, settings, nullptr);
  QEVAL_CHECK(probe.create({1, 256, false}));
  const double at_256 = static_cast<double>(probe.kv_bytes());
  GeneratorLimits& limits = setup_.generator;
  limits.bytes_per_cell = at_256 / 256;
  if (model_->whole_forks_only()) {
    QEVAL_CHECK(probe.create({1, 512, false}));
    limits.bytes_per_cell = (static_cast<double>(probe.kv_bytes()) - at_256) / 256;
    limits.bytes_per_sequence = std::max(0.0, at_256 - 256 * limits.bytes_per_cell);
  }
  probe.release();
  if (model_->on_gpu()) {
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU), &free, &total);
    const double reserve = static_cast<double>(total) * (1 - preset_.gpu_memory_utilization);
    limits.kv_budget_bytes = static_cast<int64_t>(std::max(0.0, static_cast<double>(free) - reserve) * 0.8);
  } else {
    limits.kv_budget_bytes = available_memory_bytes() / 2;
  }
  limits.kv_budget_bytes = std::max<int64_t>(limits.kv_budget_bytes, 1);
  setup_.max_forks = scoring_states(static_cast<double>(limits.kv_budget_bytes), limits.bytes_per_sequence);
  measured_ = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> load_llama_engine(const LlamaOptions& options) { return LlamaEngine::load(options); }

}  // namespace qeval
